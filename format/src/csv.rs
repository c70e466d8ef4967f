//! Tables as CSV files that are safe to open in a spreadsheet.

use mesh::visible::visible;

use crate::column::Column;

/// A cell of a table.
#[derive(Debug)]
pub enum CsvCell {
    /// Text, possibly chosen by an untrusted party.
    Text(String),
    /// A number of ours.
    Number(String),
    /// No known value.
    Missing,
}

impl CsvCell {
    /// A number, if there is one.
    pub fn number(number: Option<impl ToString>) -> Self {
        number.map_or(Self::Missing, |number| Self::Number(number.to_string()))
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value of the field. A spreadsheet evaluates text that begins like a formula, and a caller can choose a
    /// path, so such text gets an apostrophe in front.
    fn field(self) -> String {
        let text = match self {
            Self::Missing => return String::new(),
            Self::Number(number) => return number,
            Self::Text(text) => visible(&text).into_owned(),
        };
        let is_formula =
            text.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) || text.starts_with(['\t', '\r', '\n']);
        if is_formula { format!("'{text}") } else { text }
    }
}

/// A table of named columns as CSV text: `cell` answers each column of each row.
pub fn table<R: Copy, C: Column>(columns: &[C], rows: impl IntoIterator<Item = R>, cell: impl Fn(R, C) -> CsvCell) -> String {
    let heads: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    text(&heads, rows.into_iter().map(|row| columns.iter().map(|column| cell(row, *column)).collect()))
}

/// A table as CSV text (RFC 4180): the column names, and a line per row.
pub fn text(heads: &[&str], rows: impl IntoIterator<Item = Vec<CsvCell>>) -> String {
    let mut writer = ::csv::WriterBuilder::new();
    // A spreadsheet of some countries splits at semicolons; as a "comment" character it is quoted like a comma.
    let mut writer = writer.terminator(::csv::Terminator::CRLF).comment(Some(b';')).from_writer(Vec::new());
    writer.write_record(heads).expect("a vector takes every write");
    for row in rows {
        writer.write_record(row.into_iter().map(CsvCell::field)).expect("a row has a cell for each column");
    }
    let bytes = writer.into_inner().expect("a vector takes every write");
    String::from_utf8(bytes).expect("every field is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a line, as written.
    fn line(cells: Vec<CsvCell>) -> String {
        let heads = ["a", "b"];
        text(&heads[..cells.len()], [cells]).split_once("\r\n").expect("a header and a line").1.to_owned()
    }

    #[test]
    fn text_that_begins_like_a_formula_is_not_evaluated() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1"] {
            assert_eq!(line(vec![CsvCell::text(formula)]), format!("'{formula}\r\n"));
        }
        assert_eq!(line(vec![CsvCell::Number("-1".into())]), "-1\r\n");
    }

    #[test]
    fn text_with_separators_quotes_or_line_ends_is_quoted() {
        assert_eq!(line(vec![CsvCell::text("a \"b\", c\nd")]), "\"a \"\"b\"\", c\nd\"\r\n");
        assert_eq!(line(vec![CsvCell::text("a;=b"), CsvCell::text("/users/{id}")]), "\"a;=b\",/users/{id}\r\n");
        assert_eq!(line(vec![CsvCell::number(None::<u64>), CsvCell::text("a")]), ",a\r\n");
    }
}
