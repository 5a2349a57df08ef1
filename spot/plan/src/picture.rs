//! The offers drawn: what the need costs in each, against how often it is taken. SVG, readable without scripts.
//!
//! Pure: no clock, no I/O, no async.

use std::fmt::Write;

use crate::choose::{Choice, Chosen};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 600.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 70.0;
const LANES: usize = 7;
/// Bands from the best up, as far as the open one's guess.
const RISKS: [(f64, &str); 5] = [
    (0.05, "&lt;5 %"),
    (0.10, "5-10 %"),
    (0.15, "10-15 %"),
    (0.20, "15-20 %"),
    (0.30, "&gt;20 %"),
];

/// Draws the offers of a choice.
pub fn svg(chosen: &Chosen) -> String {
    let most = chosen
        .offers
        .iter()
        .map(|o| o.usd_for_need)
        .fold(chosen.on_demand_usd_per_hour, f64::max)
        * 1.05;
    let x = |usd: f64| LEFT + usd / most * (WIDTH - LEFT - RIGHT);
    let band = (HEIGHT - TOP - BOTTOM) / RISKS.len() as f64;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<title>Price and risk of instance types in {region}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="28" font-size="17" fill="#1b2733">What the need costs in each instance type, and how often it is taken</text>
<text x="{LEFT}" y="48" fill="#5b6b7a">{region}, {kind}: {vcpu:.0} cores, {gib:.0} GiB. Filled: taken among the pools.</text>
"##,
        region = escape(&chosen.region),
        kind = chosen.kind.label(),
        vcpu = chosen.vcpu,
        gib = chosen.memory_gib,
    );
    axes(&mut out, most, &x, band);
    let at = x(chosen.on_demand_usd_per_hour);
    let _ = writeln!(
        out,
        r##"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}" stroke="#b3401f" stroke-dasharray="5 4"/>
<text x="{label:.1}" y="{y}" text-anchor="end" fill="#b3401f">on demand: {name}</text>"##,
        bottom = HEIGHT - BOTTOM,
        label = at + 4.0,
        y = TOP - 6.0,
        name = escape(&chosen.on_demand_type),
    );
    for (row, (risk, _)) in RISKS.iter().enumerate() {
        let from = HEIGHT - BOTTOM - band * (row as f64 + 1.0);
        let here = chosen
            .offers
            .iter()
            .filter(|o| (o.taken_of_month - risk).abs() < 1e-9);
        for (offer, lane) in lanes(here.map(|o| (o, x(o.usd_for_need)))) {
            // Within a band the height means nothing; it keeps the names apart.
            let y = from + band * (0.1 + 0.8 * lane as f64 / (LANES - 1) as f64);
            point(&mut out, offer, x(offer.usd_for_need), y);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Rows for the names of a band: each in the first row where none is in its way, else where the least is.
fn lanes<'a>(points: impl Iterator<Item = (&'a Choice, f64)>) -> Vec<(&'a Choice, usize)> {
    let mut points: Vec<(&Choice, f64)> = points.collect();
    points.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ends = [f64::MIN; LANES];
    let lane = |(offer, x): (&'a Choice, f64)| {
        let free = ends.iter().position(|end| *end <= x - 6.0);
        let least = || (0..LANES).min_by(|a, b| ends[*a].total_cmp(&ends[*b]));
        let at = free.or_else(least).unwrap_or(0);
        ends[at] = x + 8.0 + 6.0 * offer.instance_type.len() as f64;
        (offer, at)
    };
    points.into_iter().map(lane).collect()
}

fn axes(out: &mut String, most: f64, x: &dyn Fn(f64) -> f64, band: f64) {
    let bottom = HEIGHT - BOTTOM;
    for (row, (_, label)) in RISKS.iter().enumerate() {
        let y = bottom - band * (row as f64 + 1.0);
        let fill = if row % 2 == 0 { "#f4f7fa" } else { "#ffffff" };
        let _ = writeln!(
            out,
            r##"<rect x="{LEFT}" y="{y:.1}" width="{w}" height="{band:.1}" fill="{fill}"/>
<text x="{lx}" y="{ly:.1}" text-anchor="end" fill="#1b2733">{label}</text>"##,
            w = WIDTH - LEFT - RIGHT,
            lx = LEFT - 10.0,
            ly = y + band / 2.0 + 4.0,
        );
    }
    for tick in ticks(most) {
        let _ = writeln!(
            out,
            r##"<line x1="{at:.1}" x2="{at:.1}" y1="{bottom}" y2="{end}" stroke="#5b6b7a"/>
<text x="{at:.1}" y="{ty}" text-anchor="middle" fill="#1b2733">{tick}</text>"##,
            at = x(tick),
            end = bottom + 5.0,
            ty = bottom + 20.0,
        );
    }
    let _ = writeln!(
        out,
        r##"<text x="{mx}" y="{my}" text-anchor="middle" fill="#5b6b7a">US dollars an hour for the whole need</text>
<text transform="translate(18 {vy}) rotate(-90)" text-anchor="middle" fill="#5b6b7a">taken in a month</text>"##,
        mx = (LEFT + WIDTH - RIGHT) / 2.0,
        my = HEIGHT - 24.0,
        vy = (TOP + bottom) / 2.0,
    );
}

fn point(out: &mut String, offer: &Choice, x: f64, y: f64) {
    // At the right edge there is no room for the name behind the point.
    let right = x > WIDTH - RIGHT - 70.0;
    let (fill, ink) = if offer.nodes > 0 {
        ("#1f6fb3", "#1b2733")
    } else {
        ("none", "#8896a3")
    };
    let _ = writeln!(
        out,
        r##"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="{fill}" stroke="#1f6fb3"><title>{name}: {usd:.3} USD/h for the need, {reason}</title></circle>
<text x="{tx:.1}" y="{ty:.1}" text-anchor="{anchor}" font-size="10" fill="{ink}">{name}</text>"##,
        name = escape(&offer.instance_type),
        usd = offer.usd_for_need,
        reason = escape(&offer.reason),
        tx = if right { x - 8.0 } else { x + 8.0 },
        anchor = if right { "end" } else { "start" },
        ty = y + 3.5,
    );
}

/// Round numbers from 0 up to `most`, five to ten of them.
fn ticks(most: f64) -> Vec<f64> {
    let rough = 10f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0]
        .map(|m| m * rough)
        .into_iter()
        .find(|s| most / s <= 10.0)
        .unwrap_or(most);
    let round = |t: f64| (t * 1e6).round() / 1e6;
    (0..=(most / step) as usize)
        .map(|i| round(i as f64 * step))
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
