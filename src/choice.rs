//! A choice among words, as an option or a file has it: an enum, its words and what each means, and an error that lists them.

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $(#[doc = $meaning:literal] $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = $meaning] $variant),* }

        impl $name {
            /// Each of them, in the order of the help.
            pub const ALL: &'static [Self] = &[$($name::$variant),*];

            /// How it is written.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }

            /// What it does, for the help.
            pub const fn meaning(self) -> &'static str {
                match self { $($name::$variant => $meaning.trim_ascii()),* }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let word = text.trim();
                let found = Self::ALL.iter().find(|one| one.word().eq_ignore_ascii_case(word));
                found.copied().ok_or_else(|| $crate::choice::none_of(text, &[$($word),*]))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

pub(crate) use choice;

/// A value that is none of the possible ones, and which those are.
pub(crate) fn none_of<T: AsRef<str>>(text: &str, known: &[T]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    format!("{text:?} is not one of {}", known.join(", "))
}
