//! What one core does: estimates of records of telemetry, and points of series judged.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use fulmar_anomaly::series::{Floor, Series, Settings};
use fulmar_proto::wifi::Telemetry;
use fulmar_wifi::estimate::throughput;
use fulmar_wifi::generator::Generator;
use fulmar_wifi::world::World;

use super::records::{START_MS, value};

/// Different records of telemetry.
const RECORDS: u32 = 20_000;
/// Times that they are estimated.
const TIMES: usize = 100;
const SERIES: i64 = 1_000;
const POINTS: i64 = 4_000;

/// Estimates a second.
pub fn estimates() -> f64 {
    let world = Generator::new(1, RECORDS, None);
    let all: Vec<Telemetry> = (0..RECORDS).map(|c| world.sample(c, START_MS)).collect();
    let round = || -> i64 { all.iter().map(|t| throughput(black_box(t)).value).sum() };
    // The first one reads the model.
    let expected = round();
    let began = Instant::now();
    for _ in 0..TIMES {
        assert_eq!(round(), expected, "the same records are estimated alike");
    }
    (all.len() * TIMES) as f64 / began.elapsed().as_secs_f64()
}

/// Points a second.
pub fn points() -> f64 {
    let settings = Arc::new(Settings::default());
    let mut all: Vec<Series> = (0..SERIES)
        .map(|_| Series::new(300, &settings, Floor::default()))
        .collect();
    let began = Instant::now();
    for point in 0..POINTS {
        for (n, series) in all.iter_mut().enumerate() {
            let value = value(n as i64, point * point) as f64;
            black_box(series.step(300 * point, value, 1.0));
        }
    }
    (SERIES * POINTS) as f64 / began.elapsed().as_secs_f64()
}
