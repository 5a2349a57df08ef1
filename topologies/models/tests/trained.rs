//! Models that XGBoost 3.2 and LightGBM 4.7 trained and dumped, beside what they say themselves of forty rows with holes
//! (`tests/data`, made by `tests/data/make.py`), and models that must be refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fulmar::api::testing::BoltTester;
use fulmar::prelude::*;
use fulmar_models::{Model, ModelBolt, ModelError};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// Rows, and what the trainer's library says of them; missing values are empty, numbers are read by the standard library.
fn expected(name: &str) -> Vec<(Vec<f64>, Vec<f64>)> {
    let numbers = |part: &str| {
        let of = |n: &str| {
            if n.is_empty() {
                f64::NAN
            } else {
                n.parse().unwrap()
            }
        };
        part.split(',').map(of).collect::<Vec<f64>>()
    };
    let text = text(&format!("{name}.expected.csv"));
    let lines = text.lines().map(|l| l.split_once(';').unwrap());
    lines
        .map(|(row, said)| (numbers(row), numbers(said)))
        .collect()
}

#[test]
fn sums_agree_to_the_bit_and_probabilities_to_the_last_digits() {
    let near = |a: f64, b: f64, by: f64| (a - b).abs() <= by * b.abs();
    for (name, by) in [
        ("xgb-regression", 0.0),
        ("xgb-binary", 3e-7),
        ("xgb-classes", 5e-7),
        ("lgb-regression", 0.0),
        ("lgb-zero", 0.0),
        ("lgb-binary", 1e-14),
        ("lgb-classes", 1e-14),
    ] {
        let model = Model::open(&file(&format!("{name}.json"))).unwrap();
        let (mut said, all) = (Vec::new(), expected(name));
        assert_eq!((all.len(), model.columns()), (40, 4));
        for (row, expected) in all {
            model.predict(&row, &mut said);
            assert_eq!(said.len(), expected.len());
            let agree = said.iter().zip(&expected).all(|(a, b)| near(*a, *b, by));
            assert!(
                agree,
                "{name}: {row:?}: {said:?}, its trainer says {expected:?}"
            );
        }
    }
}

#[test]
fn the_bolt_gives_columns_by_name_keeps_fields_and_fails_what_is_no_number() {
    let model = Arc::new(Model::open(&file("lgb-regression.json")).unwrap());
    let bolt = ModelBolt::new(model, ["d", "c", "b", "a"])
        .unwrap()
        .keep(["id"]);
    let mut test = BoltTester::basic(bolt, ["id", "a", "b", "c", "d"]);
    test.prepare(&Config::new()).unwrap();
    let (row, said) = expected("lgb-regression").swap_remove(3);
    let value = |v: f64| {
        if v.is_nan() {
            Value::Null
        } else {
            Value::Float(v)
        }
    };
    let mut values = vec![Value::Int(7)];
    values.extend(row.into_iter().map(value));
    test.execute(values.clone()).unwrap();
    assert_eq!(
        test.emitted()[0].values[..],
        [Value::Int(7), Value::Float(said[0])]
    );
    values[2] = Value::from("ten");
    assert!(test.execute(values).is_err());
    assert_eq!(
        (test.acked(), test.failed(), test.emitted().len()),
        (1, 1, 1)
    );
}

#[test]
fn a_file_is_read_in_the_worker_and_classes_are_a_list() {
    let fields = ["a", "b", "c", "d"];
    let mut test = BoltTester::basic(ModelBolt::file(file("xgb-classes.json"), fields), fields);
    test.prepare(&Config::new()).unwrap();
    test.execute([1.0, 2.0, 3.0, 4.0].map(Value::Float))
        .unwrap();
    let Value::List(said) = &test.emitted()[0].values[0] else {
        panic!("a list")
    };
    assert_eq!(said.len(), 3);
    let mut gone = ModelBolt::file(file("gone.json"), fields);
    let (context, _) = fulmar::api::testing::context(&Config::new());
    let error = gone
        .prepare(&Config::new(), &context)
        .unwrap_err()
        .to_string();
    assert!(error.contains("gone.json"), "{error}");
}

/// Why a model is refused that differs from a good one in this.
fn refused(name: &str, from: &str, to: &str) -> String {
    let good = text(&format!("{name}.json"));
    let bad = good.replacen(from, to, 1);
    assert_ne!(good, bad, "{from}");
    Model::read(&bad).unwrap_err().to_string()
}

#[test]
fn wrong_models_are_refused_with_reasons() {
    let is = |why: String, words: &str| assert!(why.contains(words), "{why}");
    is(
        Model::read("{}").unwrap_err().to_string(),
        "neither `learner` nor",
    );
    is(
        Model::read("[1").unwrap_err().to_string(),
        "no dump of trees",
    );
    is(
        refused("xgb-regression", "reg:squarederror", "survival:cox"),
        "survival:cox",
    );
    is(
        refused("xgb-regression", "\"gbtree\"", "\"gblinear\""),
        "gblinear",
    );
    is(
        refused(
            "xgb-regression",
            "\"left_children\":[1,",
            "\"left_children\":[0,",
        ),
        "not behind it",
    );
    is(
        refused(
            "xgb-regression",
            "\"left_children\":[1,",
            "\"left_children\":[99,",
        ),
        "not behind it",
    );
    is(
        refused(
            "xgb-regression",
            "\"num_class\":\"0\",\"num_feature\":\"4\"",
            "\"num_class\":\"0\",\"num_feature\":\"1\"",
        ),
        "column",
    );
    is(
        refused(
            "xgb-regression",
            "\"split_conditions\":[",
            "\"split_conditions\":[NaN,",
        ),
        "no dump of trees",
    );
    is(
        refused(
            "xgb-regression",
            "\"split_conditions\":[",
            "\"split_conditions\":[1e999,",
        ),
        "no finite number",
    );
    is(
        refused("lgb-regression", "\"<=\"", "\"==\""),
        "encode categories",
    );
    is(
        refused("lgb-regression", "\"NaN\"", "\"Often\""),
        "missing_type",
    );
    is(
        refused("lgb-binary", "binary sigmoid:1", "binary_of_old"),
        "objective",
    );
    is(
        refused(
            "lgb-regression",
            "\"average_output\": false",
            "\"average_output\": true",
        ),
        "rf",
    );
    let model = Arc::new(Model::open(&file("xgb-binary.json")).unwrap());
    for fields in [&["a", "b", "c"][..], &["a", "b", "c", "x"]] {
        let made = ModelBolt::new(Arc::clone(&model), fields.iter().copied());
        let error = made.err().unwrap();
        assert!(matches!(error, ModelError::Columns { .. }), "{error}");
        is(error.to_string(), "a, b, c, d");
    }
}
