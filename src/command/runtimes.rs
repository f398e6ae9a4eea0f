//! What the command is told of its limit: sentinel's own variable, and on request those of runtimes that size themselves by what memory they
//! find. These read `memory.max`, which is above the limit, or the machine's memory.
//!
//! The shares are measured (docs/measurements.md): beside the heap that it is told, Go has up to 16 MiB, Node.js 60 and a JVM 50.

use crate::units::Bytes;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The limit in bytes.
pub const LIMIT: &str = "SENTINEL_MEMORY_LIMIT";

/// A variable of a runtime's.
struct Variable {
    name: &'static str,
    /// It holds options, and is added to unless it has one of these.
    options: &'static [&'static str],
    value: fn(Bytes) -> String,
}

const VARIABLES: [Variable; 5] = [
    Variable {
        name: "GOMEMLIMIT",
        options: &[],
        value: |limit| beside(limit, 10, Bytes::mib(16)).0.to_string(),
    },
    Variable {
        name: "NODE_OPTIONS",
        options: &["--max-old-space-size", "--max_old_space_size"],
        value: |limit| {
            format!("--max-old-space-size={}", (beside(limit, 8, Bytes::mib(96)).0 >> 20).max(1))
        },
    },
    Variable {
        name: "JAVA_TOOL_OPTIONS",
        options: &["-XX:MaxRAM", "-XX:MaxHeapSize", "-Xmx"],
        value: java,
    },
    // The heap of .NET; in hexadecimal digits.
    Variable {
        name: "DOTNET_GCHeapHardLimit",
        options: &[],
        value: |limit| format!("{:X}", beside(limit, 4, Bytes::mib(32)).0),
    },
    // Each arena of glibc's keeps what was freed in it: with many threads that is several heaps.
    Variable { name: "MALLOC_ARENA_MAX", options: &[], value: |_| "2".to_owned() },
];

/// What is left of the limit beside a part of it, or so much if that is more; half of a small limit.
fn beside(limit: Bytes, part: u64, least: Bytes) -> Bytes {
    let rest = limit.saturating_sub(Bytes(limit.0 / part).max(least));
    rest.max(Bytes(limit.0 / 2))
}

/// The JVM takes the shares of what is there that its program may ask for (MaxRAMPercentage), by default a quarter: here what leaves room for the
/// rest of it.
fn java(limit: Bytes) -> String {
    let percent = beside(limit, 4, Bytes::mib(64)).0 * 100 / limit.0.max(1);
    format!("-XX:MaxRAM={} -XX:MaxRAMPercentage={percent} -XX:MinRAMPercentage={percent}", limit.0)
}

impl Variable {
    /// What it is set to; `None` where it stays. What an outer sentinel set of its own accord is not the user's.
    fn set(&self, limit: Bytes, outer: Option<Bytes>, now: Option<&OsStr>) -> Option<OsString> {
        let value = OsString::from((self.value)(limit));
        let Some(now) = now.filter(|now| !now.is_empty()) else { return Some(value) };
        if outer.is_some_and(|outer| now == OsStr::new(&(self.value)(outer))) {
            return Some(value);
        }
        let has = |option: &&str| {
            now.as_bytes().windows(option.len()).any(|part| part == option.as_bytes())
        };
        if self.options.is_empty() || self.options.iter().any(has) {
            return None;
        }
        Some([now, &value].join(OsStr::new(" ")))
    }
}

/// Names that are set: what the environment has under them is replaced.
pub fn names(tell: bool, environment: impl Fn(&str) -> Option<OsString>) -> Vec<&'static str> {
    let all = variables(Bytes(0), tell, environment);
    all.into_iter().map(|(name, _)| name).collect()
}

/// The variables for a command with this limit, beside an environment; those of runtimes if they are to be told.
pub fn variables(
    limit: Bytes,
    tell: bool,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Vec<(&'static str, OsString)> {
    let outer = environment(LIMIT).and_then(|text| text.to_str()?.parse().ok()).map(Bytes);
    let told = VARIABLES.iter().filter(|_| tell);
    let set = told
        .filter_map(|it| Some((it.name, it.set(limit, outer, environment(it.name).as_deref())?)));
    std::iter::once((LIMIT, OsString::from(limit.0.to_string()))).chain(set).collect()
}

/// As words of an environment.
pub fn words(variables: Vec<(&'static str, OsString)>) -> impl Iterator<Item = CString> {
    let pair = |(name, value): (&str, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
    variables.into_iter().filter_map(move |variable| CString::new(pair(variable)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(limit: Bytes, environment: &[(&str, &str)]) -> Vec<String> {
        let find =
            |name: &str| environment.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into());
        words(variables(limit, true, find)).map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn runtimes_are_told_what_leaves_room_for_the_rest_of_them() {
        let expected = [
            "SENTINEL_MEMORY_LIMIT=314572800",
            "GOMEMLIMIT=283115520",
            "NODE_OPTIONS=--max-old-space-size=204",
            "JAVA_TOOL_OPTIONS=-XX:MaxRAM=314572800 -XX:MaxRAMPercentage=75 -XX:MinRAMPercentage=75",
            "DOTNET_GCHeapHardLimit=E100000",
            "MALLOC_ARENA_MAX=2",
        ];
        assert_eq!(told(Bytes::mib(300), &[]), expected);
        assert!(
            told(Bytes::mib(64), &[]).contains(&"NODE_OPTIONS=--max-old-space-size=32".to_owned())
        );
        assert!(!told(Bytes(0), &[]).is_empty());
        let untold = variables(Bytes::mib(300), false, |_| None);
        assert_eq!(untold, [(LIMIT, OsString::from("314572800"))]);
    }

    #[test]
    fn what_the_user_chose_stays() {
        let words = told(
            Bytes::mib(300),
            &[
                ("GOMEMLIMIT", "1GiB"),
                ("NODE_OPTIONS", "--inspect"),
                ("JAVA_TOOL_OPTIONS", "-ea -XX:MaxRAMPercentage=10"),
                ("MALLOC_ARENA_MAX", ""),
            ],
        );
        let expected = [
            "SENTINEL_MEMORY_LIMIT=314572800",
            "NODE_OPTIONS=--inspect --max-old-space-size=204",
            "DOTNET_GCHeapHardLimit=E100000",
            "MALLOC_ARENA_MAX=2",
        ];
        assert_eq!(words, expected);
    }

    /// In a workload of a sentinel's that told it, too.
    #[test]
    fn what_an_outer_one_set_is_set_anew() {
        let outer = told(Bytes::mib(1000), &[]);
        let environment: Vec<(&str, &str)> =
            outer.iter().filter_map(|word| word.split_once('=')).collect();
        assert_eq!(told(Bytes::mib(300), &environment), told(Bytes::mib(300), &[]));
        let names =
            names(true, |name| environment.iter().find(|it| it.0 == name).map(|it| it.1.into()));
        assert_eq!(names.len(), 6);
    }
}
