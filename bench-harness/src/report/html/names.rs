//! Where the names of curves and points stand: none over another, each near what it names.

use std::fmt::Write;

use super::{
    super::picture::{Form, Plot, Series},
    ink,
    markup::escape,
    plot::{Field, LEFT, LETTER, TOP},
    scale::Scale,
};

/// How far apart two names stand.
pub(super) const LINE: f64 = 13.0;
/// Points nearer to each other than this share one list of names.
const CROWD: f64 = 15.0;
/// From the left edge of a list to its names, for the markers.
const GUTTER: f64 = 12.0;

/// The names of the lines in a column at their ends, pushed apart where they would touch.
pub(super) fn at_ends(plot: &Plot, x: &Scale, y: &Scale, field: Field) -> String {
    let mut names: Vec<(&Series, f64, f64)> = plot
        .series
        .iter()
        .filter_map(|series| {
            let last = series.points.last()?;
            Some((series, x.place(last.x), y.place(last.y)))
        })
        .collect();
    names.sort_by(|a, b| a.2.total_cmp(&b.2));
    let wanted: Vec<f64> = names.iter().map(|(_, _, y)| *y).collect();
    let places = spread(&wanted, LINE, TOP, field.bottom);
    let mut svg = String::new();
    for ((series, from_x, from_y), place) in names.into_iter().zip(places) {
        let (class, _) = ink::of(&series.transport);
        let _ = writeln!(
            svg,
            "<path class=\"lead {class}\" d=\"M{:.1} {from_y:.1}L{:.1} {place:.1}\"/>\
             <text class=\"name {class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            from_x + 5.0,
            field.right + 7.0,
            field.right + 9.0,
            place + 4.0,
            escape(&series.name)
        );
    }
    svg
}

/// `wanted`, which ascends, moved as little as it takes for neighbours to be `apart`, within `low` and `high` if they fit.
fn spread(wanted: &[f64], apart: f64, low: f64, high: f64) -> Vec<f64> {
    // Groups that touch stand around the mean of what their members want: where the first member of each wants to be,
    // and how many they are.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for want in wanted {
        let mut group = (*want, 1);
        while let Some((first, count)) = groups.last().copied() {
            if first + count as f64 * apart <= group.0 {
                break;
            }
            let (size, before) = (group.1 as f64, count as f64);
            // What the first of the joined group wants, on average over all of its members.
            let joined = (first * before + (group.0 - before * apart) * size) / (before + size);
            group = (joined, count + group.1);
            groups.pop();
        }
        groups.push(group);
    }
    let mut places: Vec<f64> = groups
        .iter()
        .flat_map(|(first, count)| (0..*count).map(move |index| first + index as f64 * apart))
        .collect();
    let mut least = low;
    for place in &mut places {
        *place = place.max(least);
        least = *place + apart;
    }
    let mut most = high;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - apart;
    }
    places
}

/// A part of a drawing that is in use.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// The place within it that is nearest to a point.
    fn nearest(&self, x: f64, y: f64) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }
}

/// A point with its name.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    name: &'a str,
    transport: &'a str,
    x: f64,
    y: f64,
}

impl Named<'_> {
    /// What its marker covers.
    fn mark(&self) -> Area {
        Area { left: self.x - 5.0, top: self.y - 5.0, right: self.x + 5.0, bottom: self.y + 5.0 }
    }
}

/// The stretches of the lines without names.
fn edges(plot: &Plot, x: &Scale, y: &Scale) -> Vec<Area> {
    let lines = plot.series.iter().filter(|series| series.form == Form::Edge);
    let stretches = lines.flat_map(|series| series.points.windows(2));
    stretches
        .map(|ends| {
            let [(a, b), (c, d)] = [&ends[0], &ends[1]].map(|at| (x.place(at.x), y.place(at.y)));
            Area {
                left: a.min(c) - 2.0,
                top: b.min(d) - 2.0,
                right: a.max(c) + 2.0,
                bottom: b.max(d) + 2.0,
            }
        })
        .collect()
}

/// The names of single points. Each stands at the nearest free place around its point; points that crowd together share a
/// list, in their order from top to bottom, with a line to the crowd.
pub(super) fn beside(plot: &Plot, x: &Scale, y: &Scale, field: Field) -> String {
    let points: Vec<Named<'_>> = plot
        .series
        .iter()
        .filter(|series| series.form == Form::Dots)
        .filter_map(|series| {
            let point = series.points.first()?;
            let (x, y) = (x.place(point.x), y.place(point.y));
            Some(Named { name: &series.name, transport: &series.transport, x, y })
        })
        .collect();
    let mut taken: Vec<Area> = points.iter().map(Named::mark).collect();
    let edges = edges(plot, x, y);
    let mut svg = String::new();
    for crowd in crowds(&points) {
        let longest = crowd.iter().map(|at| at.name.chars().count()).max().unwrap_or(0) as f64;
        let gutter = if crowd.len() > 1 { GUTTER } else { 0.0 };
        let (width, height) = (longest * LETTER + gutter, LINE * crowd.len() as f64);
        let free = |taken: &[Area]| nearest_free(&crowd, width, height, field, taken);
        // Better across an edge than nowhere, and better over a point than without a name.
        let place = free(&[taken.as_slice(), &edges].concat()).or_else(|| free(&taken));
        let Some((area, far)) = place.or_else(|| free(&[])) else { continue };
        taken.push(area);
        if far || crowd.len() > 1 {
            let _ = writeln!(svg, "{}", lead(&crowd, &area));
        }
        for (line, at) in crowd.iter().enumerate() {
            let (class, marker) = ink::of(at.transport);
            let baseline = area.top + LINE * (line as f64 + 1.0) - 3.0;
            if gutter > 0.0 {
                let path = marker.path(area.left + 5.0, baseline - 4.0);
                let _ = write!(svg, "<path class=\"mark {class}\" d=\"{path}\"/>");
            }
            let _ = writeln!(
                svg,
                "<text class=\"name {class}\" x=\"{:.1}\" y=\"{baseline:.1}\">{}</text>",
                area.left + gutter,
                escape(at.name)
            );
        }
    }
    svg
}

/// A line from a list of names to the point of its crowd that is nearest.
fn lead(crowd: &[Named<'_>], area: &Area) -> String {
    let distance = |at: &Named<'_>| {
        let (x, y) = area.nearest(at.x, at.y);
        (at.x - x).hypot(at.y - y)
    };
    let nearest = crowd.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.map_or_else(String::new, |at| {
        let (x, y) = area.nearest(at.x, at.y);
        let class = if crowd.len() > 1 { "floor" } else { ink::of(at.transport).0 };
        format!("<path class=\"lead {class}\" d=\"M{:.1} {:.1}L{x:.1} {y:.1}\"/>", at.x, at.y)
    })
}

/// The points in groups of those that stand close together, the largest group first, each from top to bottom.
fn crowds<'a>(points: &[Named<'a>]) -> Vec<Vec<Named<'a>>> {
    let mut crowds: Vec<Vec<Named<'a>>> = Vec::new();
    for point in points {
        let near = |other: &Named<'_>| (other.x - point.x).hypot(other.y - point.y) < CROWD;
        // A point between two groups makes them one.
        let (joined, mut apart): (Vec<_>, Vec<_>) =
            crowds.into_iter().partition(|crowd| crowd.iter().any(near));
        apart.push(joined.into_iter().flatten().chain([*point]).collect());
        crowds = apart;
    }
    for crowd in &mut crowds {
        crowd.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x.total_cmp(&b.x)));
    }
    crowds.sort_by_key(|crowd| std::cmp::Reverse(crowd.len()));
    crowds
}

/// The free place of this size nearest to a crowd, and whether it needs a line to it.
fn nearest_free(
    crowd: &[Named<'_>],
    width: f64,
    height: f64,
    field: Field,
    taken: &[Area],
) -> Option<(Area, bool)> {
    const TURNS: usize = 24;
    let count = crowd.len() as f64;
    let x = crowd.iter().map(|at| at.x).sum::<f64>() / count;
    let y = crowd.iter().map(|at| at.y).sum::<f64>() / count;
    (0..40).find_map(|ring| {
        let distance = 7.0 + 8.0 * f64::from(ring);
        (0..TURNS).find_map(|turn| {
            let angle = std::f64::consts::TAU * turn as f64 / TURNS as f64;
            let (dx, dy) = (angle.cos(), angle.sin());
            // The side of the name that faces the point lies at the distance.
            let left = x + dx * distance - width * (1.0 - dx) / 2.0;
            let top = y + dy * distance - height * (1.0 - dy) / 2.0;
            let area = Area { left, top, right: left + width, bottom: top + height };
            let inside = area.left >= LEFT + 2.0
                && area.right <= field.right
                && area.top >= TOP - 10.0
                && area.bottom <= field.bottom;
            (inside && !taken.iter().any(|other| other.meets(&area))).then_some((area, ring > 0))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_touch_are_pushed_apart_and_stay_inside() {
        let places = spread(&[10.0, 11.0, 12.0, 95.0, 99.0], 10.0, 5.0, 100.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 10.0 - 1e-9), "{places:?}");
        assert!(places[0] >= 5.0 && places[4] <= 100.0, "{places:?}");
        assert_eq!(spread(&[20.0, 60.0], 10.0, 0.0, 100.0), [20.0, 60.0]);
        assert_eq!(spread(&[50.0, 50.0, 50.0], 10.0, 0.0, 100.0), [40.0, 50.0, 60.0]);
    }

    fn at(x: f64, y: f64) -> Named<'static> {
        Named { name: "ring-eventfd/block", transport: "ring-eventfd", x, y }
    }

    #[test]
    fn points_that_stand_close_share_a_list_and_others_do_not() {
        let points = [at(100.0, 100.0), at(300.0, 200.0), at(112.0, 100.0), at(106.0, 108.0)];
        let crowds = crowds(&points);
        assert_eq!(crowds.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
        assert!(crowds[0].windows(2).all(|pair| pair[0].y <= pair[1].y));
    }

    #[test]
    fn a_list_of_a_dozen_names_finds_a_free_place_beside_a_crowd_in_a_corner() {
        let points: Vec<Named<'_>> = (0..12)
            .map(|n| at(360.0 - f64::from(n) * 4.0, 40.0 + f64::from(n % 3) * 6.0))
            .collect();
        let taken: Vec<Area> = points.iter().map(Named::mark).collect();
        let field = Field { right: 386.0, bottom: 268.0 };
        let (area, far) = nearest_free(&points, 140.0, 156.0, field, &taken).unwrap();
        assert!(far && !taken.iter().any(|other| other.meets(&area)));
    }
}
