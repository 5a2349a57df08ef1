//! Replays the corpus of the fuzz targets (`tests/fuzz`): any bytes are refused, or are frames that come
//! back as they are.

use std::path::Path;

#[path = "../../../tests/fuzz/checks.rs"]
mod checks;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let files = std::fs::read_dir(corpus.join(target)).unwrap();
    let mut seen = 0;
    for file in files {
        check(&std::fs::read(file.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen >= 10, "{seen} inputs for {target}");
}

#[test]
fn frames_of_the_corpus_are_refused_or_come_back() {
    replay("frame", checks::frames);
}

#[test]
fn values_of_the_corpus_are_refused_or_come_back() {
    replay("value", checks::value);
}
