//! The graph as a picture: images in columns by how far they are from the first, what they take as curves.

use super::{Edge, Graph, Image, Verdict, amount, taken};
use std::fmt::Write;

/// Of a box, and the gaps between boxes, in pixels.
const WIDTH: usize = 230;
const HEIGHT: usize = 62;
const COLUMN_GAP: usize = 190;
const ROW_GAP: usize = 26;
const MARGIN: usize = 24;
/// Characters of a box's line.
const CHARACTERS: usize = 32;
/// Digits of a build id.
const DIGITS: usize = 12;

/// Where an image's box is: its column, and its place among those of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    column: usize,
    row: usize,
}

impl Place {
    fn x(self) -> usize {
        MARGIN + self.column * (WIDTH + COLUMN_GAP)
    }

    fn y(self) -> usize {
        MARGIN + self.row * (HEIGHT + ROW_GAP)
    }
}

impl Graph {
    pub fn svg(&self) -> String {
        let places = self.places();
        let extent = |of: fn(Place) -> usize| places.iter().map(|place| of(*place)).max().unwrap_or(0);
        let (width, height) = (extent(Place::x) + WIDTH + MARGIN, extent(Place::y) + HEIGHT + MARGIN);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (image, from) in self.images.iter().zip(&places) {
            for (number, edge) in image.dependencies.iter().enumerate() {
                if let Some(to) = places.get(edge.image) {
                    let _ = curve(&mut out, edge, *from, *to, (number, image.dependencies.len()));
                }
            }
        }
        for (image, place) in self.images.iter().zip(&places) {
            let _ = draw_box(&mut out, image, *place);
        }
        out.push_str("</svg>\n");
        out
    }

    /// An image stands right of all that use it; in a column, in the order of where their users stand.
    fn places(&self) -> Vec<Place> {
        let columns = self.columns();
        let mut places = vec![Place { column: 0, row: 0 }; self.images.len()];
        for column in 0..=columns.iter().copied().max().unwrap_or(0) {
            let mut members: Vec<usize> = (0..columns.len()).filter(|i| columns[*i] == column).collect();
            let users = |image: usize| {
                let uses = |user: &&Image| user.dependencies.iter().any(|edge| edge.image == image);
                let rows = self.images.iter().zip(&places).filter(|(user, _)| uses(user)).map(|(_, p)| p.row);
                let (sum, count) = rows.fold((0, 0), |(sum, count), row| (sum + row, count + 1));
                // In thousandths of a row.
                1000 * sum / count.max(1)
            };
            let order: Vec<usize> = members.iter().map(|image| users(*image)).collect();
            let mut sorted: Vec<usize> = (0..members.len()).collect();
            sorted.sort_by_key(|i| order[*i]);
            members = sorted.iter().map(|i| members[*i]).collect();
            for (row, image) in members.iter().enumerate() {
                places[*image] = Place { column, row };
            }
        }
        places
    }

    /// The longest way from the first image; in a circle as far as no image was passed twice.
    fn columns(&self) -> Vec<usize> {
        let mut columns = vec![0; self.images.len()];
        for _ in 0..self.images.len() {
            let mut is_settled = true;
            for from in 0..self.images.len() {
                for edge in &self.images[from].dependencies {
                    let least = columns[from] + 1;
                    if columns[edge.image] < least && least < self.images.len() {
                        columns[edge.image] = least;
                        is_settled = false;
                    }
                }
            }
            if is_settled {
                break;
            }
        }
        columns
    }
}

/// A curve from the right side of a box to the left side of another; the label stands where it begins.
fn curve(
    out: &mut String,
    edge: &Edge,
    from: Place,
    to: Place,
    (number, count): (usize, usize),
) -> std::fmt::Result {
    // Spread over the side of the box.
    let start_y = from.y() + HEIGHT * (number + 1) / (count + 1);
    let (start_x, end_x, end_y) = (from.x() + WIDTH, to.x(), to.y() + HEIGHT / 2);
    let (colour, dash) = match (&edge.verdict, edge.fallback) {
        (Verdict::Fits, _) => ("#4a6785", ""),
        (_, true) => ("#b07d2b", " stroke-dasharray=\"6 4\""),
        (_, false) => ("#b3362c", " stroke-dasharray=\"6 4\""),
    };
    let bend = COLUMN_GAP / 2;
    let (bend_out, bend_in) = (start_x + bend, end_x.saturating_sub(bend));
    writeln!(
        out,
        "<path d=\"M{start_x} {start_y} C{bend_out} {start_y} {bend_in} {end_y} {end_x} {end_y}\" fill=\"none\" \
         stroke=\"{colour}\" stroke-width=\"1.5\"{dash}/>"
    )?;
    let label = match (&edge.verdict, edge.bytes_saved) {
        (Verdict::Fits, Some(bytes)) if edge.imports > 0 => format!("{}, {}", taken(edge), amount(bytes)),
        (Verdict::Fits, _) => taken(edge),
        (verdict, _) => format!("{}: {}", taken(edge), verdict.words()),
    };
    let at = (start_x + 6, start_y.saturating_sub(4));
    writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"{colour}\">{}</text>",
        at.0,
        at.1,
        escape(&label)
    )
}

fn draw_box(out: &mut String, image: &Image, place: Place) -> std::fmt::Result {
    let (x, y) = (place.x(), place.y());
    let is_right = image.problem.is_none();
    let (border, dash) = if is_right { ("#4a6785", "") } else { ("#b3362c", " stroke-dasharray=\"6 4\"") };
    writeln!(
        out,
        "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" \
         fill=\"#f3f6f9\" stroke=\"{border}\"{dash}/>",
        escape(&title(image))
    )?;
    let file_name = image.name.rsplit('/').next().unwrap_or(&image.name);
    let id: String = image.build_id.as_deref().unwrap_or("none").chars().take(DIGITS).collect();
    let base = if image.base { ", base" } else { "" };
    let second = if is_right { format!("build id {id}{base}") } else { "not usable".into() };
    let third = match &image.problem {
        None if image.references > 0 => {
            let Image { exports, imports, references, .. } = image;
            format!("exports {exports}, imports {imports}, refers {references}")
        }
        None => format!("exports {}, imports {}", image.exports, image.imports),
        Some(problem) => problem.clone(),
    };
    let weights = [" font-weight=\"bold\"", "", ""];
    for (line, (text, weight)) in [file_name, &second, &third].into_iter().zip(weights).enumerate() {
        let y = y + 20 + 17 * line;
        writeln!(out, "<text x=\"{}\" y=\"{y}\"{weight}>{}</text>", x + 10, escape(&cut(text)))?;
    }
    out.push_str("</g>\n");
    Ok(())
}

/// What pointing at the box shows.
fn title(image: &Image) -> String {
    let file = image.file.as_ref().map_or_else(|| image.name.clone(), |file| file.display().to_string());
    let rest = image.problem.as_ref().or(image.build_id.as_ref());
    format!("{file}: {}", rest.map_or("no build id", String::as_str))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CHARACTERS {
        return text.into();
    }
    text.chars().take(CHARACTERS - 3).collect::<String>() + "..."
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[&[usize]]) -> Graph {
        let edge = |image: &usize| Edge {
            image: *image,
            build_id: "ab".into(),
            imports: 2,
            references: 1,
            data: Vec::new(),
            bytes_saved: Some(10),
            fallback: false,
            verdict: Verdict::Fits,
        };
        let image = |(number, edges): (usize, &&[usize])| Image {
            name: format!("lib<{number}>.so"),
            file: None,
            build_id: Some("0123456789abcdef".into()),
            base: number == 1,
            exports: 1,
            imports: 2,
            linkage: 8,
            references: 1,
            problem: None,
            dependencies: edges.iter().map(edge).collect(),
        };
        Graph { images: edges.iter().enumerate().map(image).collect() }
    }

    #[test]
    fn users_stand_left_of_what_they_use() {
        let graph = graph(&[&[1, 2, 3], &[3], &[3], &[4], &[]]);
        assert_eq!(graph.columns(), [0, 1, 1, 2, 3]);
        let places = graph.places();
        assert_eq!((places[1].row, places[2].row, places[3].row), (0, 1, 0));
        for (i, place) in places.iter().enumerate() {
            assert!(places[..i].iter().all(|other| other != place), "two boxes in one place");
        }
    }

    #[test]
    fn a_circle_ends() {
        let columns = graph(&[&[1], &[2], &[1]]).columns();
        assert!(columns.iter().all(|column| *column < 3), "{columns:?}");
    }

    #[test]
    fn the_picture_is_whole_and_names_are_escaped() {
        let svg = graph(&[&[1], &[]]).svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!((svg.matches("<path").count(), svg.matches("<g>").count()), (1, 2));
        assert!(svg.contains("lib&lt;1&gt;.so") && !svg.contains("lib<1>"));
        assert!(svg.contains("build id 0123456789ab<") && svg.contains("build id 0123456789ab, base<"));
        assert!(svg.contains("2 functions, 1 reference, 10 bytes"), "{svg}");
    }
}
