//! Minifies the style sheet: drops comments and insignificant white space.

/// Minifies a style sheet.
pub(super) fn style(sheet: &str) -> String {
    let mut small = String::with_capacity(sheet.len());
    for part in without_comments(sheet).split_whitespace() {
        // Keep the space before a colon (descendant selector) and before a bracket (function or query).
        let is_needed =
            !small.is_empty() && !small.ends_with(['{', '}', ';', ',', ':', '>']) && !part.starts_with(['{', '}', ';', ',', '>']);
        if is_needed {
            small.push(' ');
        }
        small.push_str(part);
    }
    small.replace(";}", "}")
}

fn without_comments(sheet: &str) -> String {
    let mut text = String::with_capacity(sheet.len());
    for (at, part) in sheet.split("/*").enumerate() {
        text.push_str(if at == 0 { part } else { part.split_once("*/").map_or("", |(_, rest)| rest) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_nothing_is_dropped() {
        let sheet = "/* a\n b */\n.a > b, .c :is(i) {\n  margin: 0 calc(100% + 1px);\n  color: red;\n}\n@media (a) and (b) { x { y: z } }\n";
        assert_eq!(style(sheet), ".a>b,.c :is(i){margin:0 calc(100% + 1px);color:red}@media (a) and (b){x{y:z}}");
    }
}
