//! Draws a terminal screen as SVG: characters in a grid, in the terminal's colours.

use std::fmt::Write;

/// The approximate width of a character of 14 pixels, and the line height.
const CELL: (f64, f64) = (8.43, 18.0);

/// The margin around the screen.
const MARGIN: f64 = 12.0;

const BACKGROUND: &str = "#14171c";
const LETTERS: &str = "#d7dbe0";
const MUTED: &str = "#8b929c";

/// The style of a run of adjacent characters.
#[derive(PartialEq, Eq)]
struct Look {
    colour: &'static str,
    is_bold: bool,
    is_inverse: bool,
}

/// Draws the screen as SVG.
pub fn svg(screen: &vt100::Screen) -> String {
    let (lines, columns) = screen.size();
    let (lines, columns) = (lines.get(), columns.get());
    let (width, height) = (2.0 * MARGIN + f64::from(columns) * CELL.0, 2.0 * MARGIN + f64::from(lines) * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"ui-monospace, \
         'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for line in 0..lines {
        let mut column = 0;
        while column < columns {
            let look = look(screen, line, column);
            let begin = column;
            let mut text = String::new();
            while column < columns && self::look(screen, line, column) == look {
                let letters = screen.cell(line, column).map(vt100::Cell::contents).filter(|letters| !letters.is_empty());
                text.push_str(letters.unwrap_or(" "));
                column += 1;
            }
            run(&mut svg, (line, begin), &text, &look);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn look(screen: &vt100::Screen, line: u16, column: u16) -> Look {
    let Some(cell) = screen.cell(line, column) else { return Look { colour: LETTERS, is_bold: false, is_inverse: false } };
    let colour = match cell.fgcolor() {
        vt100::Color::Idx(1 | 9) => "#ff6b6b",
        vt100::Color::Idx(2 | 10) => "#6bd08a",
        vt100::Color::Idx(3 | 11) => "#e8b34b",
        vt100::Color::Idx(6 | 14) => "#5fc9d8",
        _ if cell.dim() => MUTED,
        _ => LETTERS,
    };
    Look { colour, is_bold: cell.bold(), is_inverse: cell.inverse() }
}

fn run(svg: &mut String, (line, column): (u16, u16), text: &str, look: &Look) {
    if text.trim().is_empty() && !look.is_inverse {
        return;
    }
    let (x, top) = (MARGIN + f64::from(column) * CELL.0, MARGIN + f64::from(line) * CELL.1);
    let width = text.chars().count() as f64 * CELL.0;
    let mut colour = look.colour;
    if look.is_inverse {
        let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>", CELL.1);
        colour = BACKGROUND;
    }
    let weight = if look.is_bold { " font-weight=\"bold\"" } else { "" };
    // SVG collapses consecutive spaces.
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace(' ', "\u{a0}");
    let y = top + 13.5;
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{width:.1}\" fill=\"{colour}\"{weight}>{text}</text>");
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    #[test]
    fn letters_keep_their_place_and_their_colour() {
        let size = |count| NonZeroU16::new(count).unwrap();
        let mut parser = vt100::Parser::new(size(2), size(20), 0);
        parser.process(b"a<b \x1b[31mred\x1b[0m\r\n\x1b[7mchosen\x1b[0m");
        let svg = svg(parser.screen());
        assert!(svg.contains(">a&lt;b\u{a0}</text>") && svg.contains("fill=\"#ff6b6b\">red</text>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2, "the background, and what is chosen: {svg}");
    }
}
