//! The headings of what stands below the options of a help.

/// Headings stand out where they can; whatever makes no use of it strips the escape sequences.
macro_rules! headed {
    ($heading:literal, $text:literal) => {
        concat!("\u{1b}[1m\u{1b}[4m", $heading, ":\u{1b}[0m\n", $text)
    };
}
pub(super) use headed;
