//! The report as a page of its own: tables and charts in SVG, readable without scripts.

use std::fmt::Write;

use super::health::{Look, Outcome};
use super::report::Report;

/// Its title, and what it shows of a look.
type Chart = (&'static str, fn(&Look) -> f64);

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 18.0;

const STYLE: &str = "body{font-family:sans-serif;color:#1b2733;max-width:960px;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse}td,th{text-align:right;padding:.3em .8em;border-bottom:1px solid #d6dde3}\
td:first-child,th:first-child{text-align:left}h2{margin-top:2em}.bad{color:#b3401f}svg{width:100%}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Drill</title><style>{STYLE}</style></head><body>\
<h1>Drill: {} of {} nodes vanished</h1><p>{}</p>",
        report.struck.len(),
        report.nodes,
        match report.notice_s {
            Some(s) => format!("Each had a notice of {s:.0} s."),
            None => "Without any notice.".to_owned(),
        }
    );
    for reason in &report.reasons {
        let _ = write!(out, "<p class=\"bad\">{}</p>", escape(reason));
    }
    outcomes(&mut out, &report.outcomes);
    nodes(&mut out, report);
    for (name, looks) in &report.topologies {
        let _ = write!(out, "<h2>{}</h2>", escape(name));
        let charts: [Chart; 3] = [
            ("done a second", |l| l.rate),
            ("pending", |l| l.pending as f64),
            ("latency, ms", |l| l.latency_ms),
        ];
        for (title, of) in charts {
            let points: Vec<(f64, f64)> = looks.iter().map(|l| (l.at_s, of(l))).collect();
            line(&mut out, title, &points, &marks(report));
        }
    }
    let alive = report
        .looks_at_nodes
        .iter()
        .map(|n| (n.at_s, n.alive as f64));
    out.push_str("<h2>Nodes</h2>");
    line(
        &mut out,
        "alive",
        &alive.collect::<Vec<_>>(),
        &marks(report),
    );
    out.push_str("</body></html>\n");
    out
}

/// Notices and ends.
fn marks(report: &Report) -> Vec<(f64, &'static str)> {
    let mut marks: Vec<(f64, &str)> = Vec::new();
    for s in &report.struck {
        if s.ends_s > s.at_s {
            marks.push((s.at_s, "#c98a00"));
        }
        marks.push((s.ends_s, "#b3401f"));
    }
    // Nodes that fell together are one line.
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    marks.dedup_by(|a, b| (a.0 - b.0).abs() < 0.2 && a.1 == b.1);
    marks
}

fn outcomes(out: &mut String, all: &[Outcome]) {
    out.push_str("<table><tr><th>topology</th><th>usual</th><th>lowest</th><th>longest pause</th><th>failed</th><th>recovered after</th></tr>");
    for o in all {
        let recovered = o
            .recovered_s
            .map_or("not in time".to_owned(), |s| format!("{s:.1} s"));
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{:.0}/s</td><td>{:.0}/s</td><td>{:.1} s</td><td>{}</td><td>{recovered}</td></tr>",
            escape(&o.topology),
            o.usual_rate,
            o.lowest_rate,
            o.dip_s,
            o.failed
        );
    }
    out.push_str("</table>");
}

fn nodes(out: &mut String, report: &Report) {
    out.push_str("<h2>Who vanished</h2><table><tr><th>node</th><th>pool</th><th>told at</th><th>ended at</th><th>drained after</th></tr>");
    for s in &report.struck {
        let drained = s.drained_s.map_or("–".to_owned(), |s| format!("{s:.1} s"));
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{:.1} s</td><td>{:.1} s</td><td>{drained}</td></tr>",
            escape(&s.node),
            escape(&s.pool),
            s.at_s,
            s.ends_s
        );
    }
    out.push_str("</table>");
}

/// One chart: a line over time, and the moments at which something was done.
fn line(out: &mut String, title: &str, points: &[(f64, f64)], marks: &[(f64, &str)]) {
    let (from, to) = (
        points.first().map_or(0.0, |p| p.0),
        points.last().map_or(1.0, |p| p.0),
    );
    let most = points.iter().map(|p| p.1).fold(1.0, f64::max);
    let x = |t: f64| LEFT + (t - from) / (to - from).max(1e-9) * (WIDTH - LEFT - 10.0);
    let y = |v: f64| HEIGHT - BOTTOM - v / most * (HEIGHT - BOTTOM - TOP);
    let path: Vec<String> = points
        .iter()
        .map(|(t, v)| format!("{:.1},{:.1}", x(*t), y(*v)))
        .collect();
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-size=\"11\" role=\"img\"><title>{title}</title>\
<text x=\"{LEFT}\" y=\"11\" fill=\"#5b6b7a\">{title}</text>\
<text x=\"{tick}\" y=\"{top:.1}\" text-anchor=\"end\" fill=\"#5b6b7a\">{most:.0}</text>\
<text x=\"{tick}\" y=\"{zero:.1}\" text-anchor=\"end\" fill=\"#5b6b7a\">0</text>\
<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{zero:.1}\" y2=\"{zero:.1}\" stroke=\"#d6dde3\"/>",
        tick = LEFT - 6.0,
        top = y(most) + 4.0,
        zero = y(0.0),
        right = WIDTH - 10.0,
    );
    for (at, colour) in marks
        .iter()
        .filter(|(at, _)| !points.is_empty() && (from..=to).contains(at))
    {
        let _ = write!(
            out,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1:.1}\" stroke=\"{colour}\" stroke-dasharray=\"4 3\"/>",
            x(*at),
            y(0.0)
        );
    }
    let _ = write!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2f6db5\" stroke-width=\"1.5\"/>\
<text x=\"{LEFT}\" y=\"{label}\" fill=\"#5b6b7a\">{from:.0} s</text>\
<text x=\"{right}\" y=\"{label}\" text-anchor=\"end\" fill=\"#5b6b7a\">{to:.0} s</text></svg>",
        path.join(" "),
        label = HEIGHT - 6.0,
        right = WIDTH - 10.0,
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::drill::report::Struck;

    #[test]
    fn a_page_has_a_chart_for_each_topology_and_escapes_names() {
        let look = |at_s| Look {
            at_s,
            rate: 100.0,
            ..Look::default()
        };
        let mut report = Report {
            nodes: 4,
            notice_s: Some(15.0),
            ..Report::default()
        };
        report
            .topologies
            .insert("a<b".into(), vec![look(-1.0), look(0.0), look(1.0)]);
        report.topologies.insert("empty".into(), vec![]);
        report.struck.push(Struck {
            node: "n1".into(),
            at_s: 0.0,
            ends_s: 0.5,
            ..Struck::default()
        });
        let page = page(&report);
        assert_eq!(page.matches("<svg").count(), 2 * 3 + 1);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.contains("<h2>a&lt;b</h2>") && !page.contains("a<b"));
        assert!(page.contains("1 of 4 nodes") && page.contains("notice of 15 s"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
        // Notice and end are marked in each chart that reaches them.
        assert_eq!(page.matches("#c98a00").count(), 3);
    }
}
