//! Why a file of ours could not be understood, in words about the file and not about the types that it is read into.

use serde_json::error::Category;

/// What is wrong with the text, as a fragment.
pub fn misread(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Syntax => "it is not JSON".to_owned(),
        Category::Eof => "it ends too early".to_owned(),
        Category::Io => error.to_string(),
        Category::Data => data(&error.to_string()),
    }
}

/// serde's words, without what it would have expected.
fn data(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    let found = text.split(", expected ").next().unwrap_or_default();
    let rest = |start: &str| found.strip_prefix(start);
    if let Some(found) = rest("invalid type: ").or_else(|| rest("invalid value: ")) {
        return format!("{found} is not expected here");
    }
    if let Some(found) = rest("unknown variant ").or_else(|| rest("unknown field ")) {
        return format!("{found} is not known here");
    }
    match (rest("missing field "), rest("duplicate field "), rest("invalid length ")) {
        (Some(_), ..) | (_, Some(_), _) => found.to_owned(),
        (.., Some(_)) => "a list has too few or too many values".to_owned(),
        _ => "its kind is unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::format::EventRow;

    #[test]
    fn no_type_of_ours_is_named() {
        for (text, says) in [
            ("nonsense", "it is not JSON"),
            ("{\"t\":1", "it ends too early"),
            ("{\"t\":-5,\"empty\":{}}", "integer `-5` is not expected here"),
            ("{\"t\":5}", "its kind is unknown"),
            ("{\"t\":5,\"exited\":256}", "integer `256` is not expected here"),
            ("{\"empty\":{}}", "missing field `t`"),
            ("{\"t\":1,\"operator\":\"dance\"}", "`dance` is not known here"),
        ] {
            let error = serde_json::from_str::<EventRow>(text).err().map(|error| misread(&error));
            assert_eq!(error.as_deref(), Some(says), "{text}");
        }
        let error = serde_json::from_str::<(u8, u8)>("[]").err().map(|error| misread(&error));
        assert_eq!(error.as_deref(), Some("a list has too few or too many values"));
    }
}
