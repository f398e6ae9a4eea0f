//! The metrics of many guardians as one page of the text format: each family's HELP and TYPE once, all its samples behind them. Pure.
//! What is no sample of ours is left out, so that no guardian can spoil the others' page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The longest line that is taken over, bytes.
const LONGEST_LINE: usize = 4096;

/// One family of metrics.
#[derive(Debug, Default)]
struct Family {
    /// The lines HELP and TYPE.
    head: String,
    samples: Vec<String>,
}

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order in which they came.
    order: Vec<String>,
    families: BTreeMap<String, Family>,
    up: Vec<(String, bool)>,
}

impl Page {
    /// Adds what the guardian `name` says. Two of the same name are told apart by `pid`.
    pub fn add(&mut self, name: &str, text: &str) {
        self.up.push((name.to_owned(), true));
        let mut current = None;
        for line in text.lines().filter(|line| line.len() <= LONGEST_LINE) {
            if let Some(rest) = line.strip_prefix("# ") {
                current = self.head(rest);
            } else if let Some(family) =
                current.as_ref().and_then(|name| self.families.get_mut(name))
            {
                let family_name = current.as_deref().unwrap_or_default();
                family.samples.extend(sample(line, family_name, name));
            }
        }
    }

    /// Adds one that did not answer.
    pub fn silent(&mut self, name: &str) {
        self.up.push((name.to_owned(), false));
    }

    /// Takes a HELP or TYPE line; the family that it is about.
    fn head(&mut self, rest: &str) -> Option<String> {
        let (word, about) = rest.split_once(' ')?;
        let (family, text) = about.split_once(' ')?;
        let ours = family.starts_with("sentinel_")
            && family.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        let known = match word {
            "HELP" => !text.is_empty(),
            "TYPE" => matches!(text, "gauge" | "counter"),
            _ => false,
        };
        (ours && known).then_some(())?;
        let entry = self.families.entry(family.to_owned()).or_insert_with(|| {
            self.order.push(family.to_owned());
            Family::default()
        });
        let line_start = format!("# {word} ");
        if !entry.head.contains(&line_start) {
            // Writing to a String cannot fail.
            let _ = writeln!(entry.head, "# {word} {family} {text}");
        }
        Some(family.to_owned())
    }

    /// The page.
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(16 << 10);
        text.push_str("# HELP sentinel_guard_up 1 when the guardian answered.\n");
        text.push_str("# TYPE sentinel_guard_up gauge\n");
        for (name, up) in &self.up {
            let _ = writeln!(text, "sentinel_guard_up{{guard=\"{name}\"}} {}", u8::from(*up));
        }
        for name in &self.order {
            let Some(family) = self.families.get(name) else { continue };
            if family.samples.is_empty() || family.head.lines().count() != 2 {
                continue;
            }
            text.push_str(&family.head);
            for sample in &family.samples {
                text.push_str(sample);
                text.push('\n');
            }
        }
        text
    }
}

/// The sample with the label `guard` that the exporter gives; `None` for what is none.
fn sample(line: &str, family: &str, guard: &str) -> Option<String> {
    let rest = line.strip_prefix(family)?.strip_prefix("{guard=\"")?;
    let end = end_of_value(rest)?;
    let (labels, value) = rest[end + 1..].rsplit_once("} ")?;
    let proper = labels.is_empty() || (labels.starts_with(',') && labels_end(labels));
    let number = value == "+Inf" || value.parse::<f64>().is_ok_and(f64::is_finite);
    (proper && number).then(|| format!("{family}{{guard=\"{guard}\"{labels}}} {value}"))
}

/// Where an escaped value ends: at the first quote that no backslash is before.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Whether `,key="value"` and nothing else is repeated.
fn labels_end(mut labels: &str) -> bool {
    while let Some(rest) = labels.strip_prefix(',') {
        let Some((key, rest)) = rest.split_once("=\"") else { return false };
        if key.is_empty()
            || !key.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
            || key == "guard"
        {
            return false;
        }
        let Some(end) = end_of_value(rest) else { return false };
        labels = &rest[end + 1..];
    }
    labels.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "# HELP sentinel_a Words.\n# TYPE sentinel_a gauge\nsentinel_a{guard=\"x\"} 1\n\
        # HELP sentinel_b_total Words.\n# TYPE sentinel_b_total counter\n\
        sentinel_b_total{guard=\"x\",event=\"a\\\"}\"} 2\n";

    #[test]
    fn families_are_merged() {
        let mut page = Page::default();
        page.add("one", ONE);
        page.silent("two");
        page.add("three", ONE);
        let text = page.finish();
        assert_eq!(text.matches("# HELP sentinel_a ").count(), 1);
        assert!(
            text.contains("sentinel_a{guard=\"one\"} 1\nsentinel_a{guard=\"three\"} 1\n# HELP")
        );
        assert!(text.contains("sentinel_b_total{guard=\"three\",event=\"a\\\"}\"} 2\n"));
        assert!(text.contains("sentinel_guard_up{guard=\"two\"} 0\n"));
    }

    #[test]
    fn what_is_no_sample_of_ours_is_left_out() {
        let bad = "# HELP sentinel_a Words.\n# TYPE sentinel_a gauge\nsentinel_a{guard=\"x\"} nonsense\n\
            sentinel_a{guard=\"x\",guard=\"y\"} 1\nsentinel_a{guard=\"x\"} 1 123\nother{guard=\"x\"} 1\nsentinel_a 1\n\
            sentinel_a{guard=\"x\" 1\nsentinel_a{guard=\"x\",k=v} 1\n# TYPE node_up gauge\nnode_up{guard=\"x\"} 1\n\
            # HELP sentinel_c Words.\nsentinel_c{guard=\"x\"} 1\n";
        let mut page = Page::default();
        page.add("bad", bad);
        let text = page.finish();
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
