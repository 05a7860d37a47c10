//! Text that becomes a part of a page.

/// `text` with everything that a page would take for markup replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // Not allowed in a page, and a name read from a system may hold anything.
            control if control.is_control() && control != '\n' => escaped.push('\u{FFFD}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text with `` `code` `` and `**strong**`, the only markup that a report's sentences have.
///
/// A mark without its partner stays what it is.
pub(super) fn inline(text: &str) -> String {
    marked(&unbroken(text), "`", "code", &|code| options_whole(code), &|rest| {
        marked(rest, "**", "strong", &|strong| escape(strong), &|plain| escape(plain))
    })
}

/// A figure and its unit stay on one line.
fn unbroken(text: &str) -> String {
    const UNITS: [&str; 12] =
        ["%", "ns", "µs", "ms", "s", "B", "KiB", "MiB", "MB/s", "GB/s", "rounds", "cells"];
    let mut result = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end_matches([' ', ',', '.', ';', ':', ')', '(']);
        if UNITS.contains(&bare) && result.ends_with(' ') {
            let after_figure = result.trim_end().ends_with(|c: char| c.is_ascii_digit());
            if after_figure {
                result.pop();
                result.push('\u{a0}');
            }
        }
        result += word;
    }
    result
}

/// Code whose options do not end a line behind their hyphens. A hyphen that does not break would be copied with the
/// command, so the style sheet keeps them together.
fn options_whole(code: &str) -> String {
    let words = code.split(' ').map(|word| match word.strip_prefix('-') {
        Some(_) => format!("<span>{}</span>", escape(word)),
        None => escape(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn marked(
    text: &str,
    mark: &str,
    tag: &str,
    inside: &dyn Fn(&str) -> String,
    outside: &dyn Fn(&str) -> String,
) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        let Some((within, behind)) = after.split_once(mark) else { break };
        result += &format!("{}<{tag}>{}</{tag}>", outside(before), inside(within));
        rest = behind;
    }
    result + &outside(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_tags_and_everything_else_stays_text() {
        assert_eq!(inline("**ring** in `a<b`"), "<strong>ring</strong> in <code>a&lt;b</code>");
        assert_eq!(inline("2 ** 3 and a ` alone"), "2 ** 3 and a ` alone");
        assert_eq!(inline("95 % of 1.2 µs, as 2 sides"), "95\u{a0}% of 1.2\u{a0}µs, as 2 sides");
        assert_eq!(inline("`**`"), "<code>**</code>");
        let command = "<code>run <span>--size</span> 4KiB a-b</code>";
        assert_eq!(inline("`run --size 4KiB a-b`"), command);
        assert_eq!(escape("a\u{7}\"'&"), "a\u{FFFD}&quot;&#39;&amp;");
    }
}
