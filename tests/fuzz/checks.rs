//! What must hold for any bytes that a peer sends: they are refused, or they are frames that come back
//! as they are. The fuzz targets and the test that replays their corpus share this.

use fulmar_engine::batch::Batch;
use fulmar_engine::net::frame::{Frame, decode, encode};

/// Reads frames from the front as long as there are any.
pub fn frames(mut bytes: &[u8]) {
    while let Ok(Some((frame, used))) = decode(bytes) {
        assert!(used > 4 && used <= bytes.len(), "{used} of {}", bytes.len());
        bytes = &bytes[used..];
        check(frame);
    }
}

/// The bytes as the only value of the only tuple of a batch.
#[allow(dead_code, reason = "each target uses one")]
pub fn value(bytes: &[u8]) {
    let mut frame = vec![0, 0, 0, 0, 3];
    frame.extend([0; 8 + 12]);
    frame.extend(1_u32.to_le_bytes());
    frame.extend(1_u32.to_le_bytes());
    frame.extend(bytes);
    // No anchors.
    frame.extend([0; 8]);
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frames(&frame);
}

fn check(frame: Frame) {
    match &frame {
        Frame::Batch(_, batch) => look_at(batch),
        Frame::Packed(_, packed) => {
            let mut batch = Batch::default();
            // What is packed is read later than its head: it may prove to be nothing.
            if packed.unpack(&mut batch).is_err() {
                return;
            }
            assert_eq!(batch.len, packed.len);
            look_at(&batch);
        }
        _ => {}
    }
    let once = again(&frame);
    let (frame, used) = decode(&once)
        .expect("what was written is a frame")
        .expect("whole");
    assert_eq!(used, once.len());
    assert_eq!(
        again(&frame),
        once,
        "it changes when it is read and written"
    );
}

fn again(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(frame, &mut bytes).expect("no larger than what was read");
    bytes
}

/// Every tuple has its values and anchors.
fn look_at(batch: &Batch) {
    for i in 0..batch.len {
        assert_eq!(batch.values_of(i).len(), batch.arity);
        std::hint::black_box(batch.anchors_of(i));
    }
}
