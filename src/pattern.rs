//! Patterns for names, as a shell has them: `*` is anything, `?` is one character. Without allocation.

/// Whether the pattern is for all of the name.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star = None;
    while place < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, place));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == name[place] => {
                (at, place) = (at + 1, place + 1);
            }
            Some(_) | None => {
                let Some((behind, from)) = star else { return false };
                star = Some((behind, from + 1));
                (at, place) = (behind, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, yes, no) in [
            ("web-*", &["web-1.service", "web-"][..], &["web", "the-web-1"][..]),
            ("*.scope", &["a.scope", ".scope"], &["scope", "a.scope.x"]),
            ("w?b", &["web", "wxb"], &["wb", "weeb"]),
            ("*a*b*", &["ab", "xaybz", "aabb"], &["ba", "a"]),
            ("*", &["", "x"], &[]),
            ("", &[], &["x"]),
        ] {
            let is = |name: &&str| matches(pattern.as_bytes(), name.as_bytes());
            assert!(yes.iter().all(is) && !no.iter().any(is), "{pattern}");
        }
    }
}
