//! Curves, bands and named points over two logarithmic axes.

use std::fmt::Write;

use super::{
    super::picture::{Form, Plot, Series, Unit},
    ink,
    markup::escape,
    names,
    scale::Scale,
};

/// The size of a panel in the units of its drawing; a page shows it at about this many pixels.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 310.0;
pub(super) const TOP: f64 = 26.0;
/// Below the field: figures, and what they are of.
const FOOT: f64 = 42.0;
pub(super) const LEFT: f64 = 60.0;
/// How wide a letter of a name is at the size of the style sheet, at most.
pub(super) const LETTER: f64 = 7.0;

/// Where the field of a plot ends, which begins at `LEFT` and `TOP`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// How high a panel is: one with more names than it has room for grows.
fn height(plot: &Plot, at_ends: bool) -> f64 {
    let names = plot.series.iter().filter(|series| !series.name.is_empty()).count();
    // At the ends of curves they stand in one column; beside points, each keeps others away on all sides.
    let (fit, each) = if at_ends { (18, names::LINE) } else { (12, 2.0 * names::LINE) };
    HEIGHT + each * names.saturating_sub(fit) as f64
}

/// Draws `plot` as one SVG with this id.
pub(super) fn draw(plot: &Plot, id: &str, picture: &str) -> String {
    let named = plot.series.iter().any(|series| matches!(series.form, Form::Line | Form::Floor));
    let longest =
        plot.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0) as f64;
    let right = if named { WIDTH - longest * LETTER - 16.0 } else { WIDTH - 14.0 };
    let height = height(plot, named);
    let field = Field { right, bottom: height - FOOT };
    let x = Scale::new(plot.x, LEFT, field.right);
    let y = Scale::new(plot.y, field.bottom, TOP);
    let mut svg = frame(id, picture, &plot.title, &words(plot), height);
    let used: Vec<f64> =
        plot.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
    svg += &axes(plot, &x, &y, &used, field);
    for series in &plot.series {
        svg += &band(series, &x, &y);
    }
    for series in &plot.series {
        svg += &line(series, &x, &y);
    }
    svg += &if named {
        names::at_ends(plot, &x, &y, field)
    } else {
        names::beside(plot, &x, &y, field)
    };
    svg + "</svg>\n</div>\n"
}

/// The beginning of a drawing: its title for the eye, and its words for whoever does not see it.
pub(super) fn frame(id: &str, picture: &str, title: &str, words: &str, height: f64) -> String {
    format!(
        "<div class=\"panel\">\n<p class=\"panel-title\" aria-hidden=\"true\">{0}</p>\n\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
         <title id=\"{id}-t\">{1}: {0}</title>\n<desc id=\"{id}-d\">{2}</desc>\n",
        escape(title),
        escape(picture),
        escape(words)
    )
}

/// What a screen reader says of the panel; the figures are in the table below.
fn words(plot: &Plot) -> String {
    let names: Vec<&str> = plot
        .series
        .iter()
        .map(|series| series.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    format!(
        "{} against {}, both axes logarithmic, for {}. The figures are in the table below.",
        plot.y.title,
        plot.x.title,
        names.join(", ")
    )
}

fn axes(plot: &Plot, x: &Scale, y: &Scale, used: &[f64], field: Field) -> String {
    let Field { right, bottom } = field;
    let mut svg = String::new();
    for (value, word) in y.ticks(&[]) {
        let place = y.place(value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{right:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{word}</text>",
            LEFT - 6.0,
            place + 4.0
        );
    }
    let mut free = f64::NEG_INFINITY;
    for (value, word) in x.ticks(used) {
        let place = x.place(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{place:.1} {TOP}V{bottom:.1}\"/>");
        let half = word.chars().count() as f64 * LETTER / 2.0;
        // A figure that would touch the one before it is left out; its line stays.
        if place - half > free {
            free = place + half + 4.0;
            let _ = writeln!(
                svg,
                "<text class=\"tick\" x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{word}</text>",
                bottom + 16.0
            );
        }
    }
    let better = match plot.y.unit {
        Unit::Nanos => "lower is better",
        _ => "higher is better",
    };
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"axis\" x=\"0\" y=\"11\">{}, {better}</text>",
        f64::midpoint(LEFT, right),
        bottom + FOOT - 8.0,
        escape(plot.x.title),
        escape(plot.y.title)
    );
    svg
}

/// The area between the points and their `high`, over each stretch of points that have one.
fn band(series: &Series, x: &Scale, y: &Scale) -> String {
    let (class, _) = ink::of(&series.transport);
    let mut svg = String::new();
    for stretch in series.points.split(|point| point.high.is_none()) {
        if series.form != Form::Line {
            continue;
        }
        if let [alone] = stretch {
            // A band needs two ends; one point has a whisker.
            let (at, from) = (x.place(alone.x), y.place(alone.y));
            let to = y.place(alone.high.unwrap_or(alone.y));
            let path = format!("M{at:.1} {from:.1}V{to:.1}m-3 0h6");
            let _ = writeln!(svg, "<path class=\"range {class}\" d=\"{path}\"/>");
            continue;
        }
        let lower = stretch.iter().map(|point| (point.x, point.y));
        let upper = stretch.iter().rev().filter_map(|point| Some((point.x, point.high?)));
        let path: Vec<String> = lower
            .chain(upper)
            .map(|(a, b)| format!("{:.1} {:.1}", x.place(a), y.place(b)))
            .collect();
        let _ = writeln!(svg, "<path class=\"band {class}\" d=\"M{}Z\"/>", path.join("L"));
    }
    svg
}

fn line(series: &Series, x: &Scale, y: &Scale) -> String {
    let (class, marker) = ink::of(&series.transport);
    let mut svg = String::new();
    if series.form != Form::Dots && series.points.len() > 1 {
        let path: Vec<String> = series
            .points
            .iter()
            .map(|point| format!("{:.1} {:.1}", x.place(point.x), y.place(point.y)))
            .collect();
        let kind = if series.form == Form::Edge { "edge" } else { class };
        let _ = writeln!(svg, "<path class=\"line {kind}\" d=\"M{}\"/>", path.join("L"));
    }
    if series.form != Form::Edge {
        for point in &series.points {
            let hollow = if point.open { " hollow" } else { "" };
            let _ = writeln!(
                svg,
                "<path class=\"mark {class}{hollow}\" d=\"{}\"><title>{}</title></path>",
                marker.path(x.place(point.x), y.place(point.y)),
                escape(&point.note)
            );
        }
    }
    svg
}
