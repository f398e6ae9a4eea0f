//! docs/post-mortem.schema.json, made from the types and their doc comments: what is stored is what is made, and `UPDATE_GOLDEN=1 cargo
//! test --lib schema` writes it anew. In tests alone: nothing of it is in the binary.

use super::PostMortem;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

/// Those of [`Verdict::ended_by`](super::Verdict::ended_by).
pub const ENDERS: [&str; 7] =
    ["sentinel", "command", "somebody", "kernel-oom", "systemd-oomd", "systemd-stop", "keeper"];

#[derive(Clone)]
/// What older guardians leave out is not required, numbers have no names of Rust's for a format, and links of rustdoc are words.
struct ForReaders;

impl Transform for ForReaders {
    fn transform(&mut self, schema: &mut Schema) {
        schema.remove("format");
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
        }
        let properties = schema.get("properties").cloned().unwrap_or_default();
        if let Some(Value::Array(names)) = schema.get_mut("required") {
            names.retain(|name| {
                properties[name.as_str().unwrap_or_default()].get("default").is_none()
            });
        }
        transform_subschemas(self, schema);
    }
}

fn made() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(ForReaders);
    let mut schema = settings.into_generator().into_root_schema_for::<PostMortem>();
    schema.insert("title".to_owned(), "Post-mortem of a run under sentinel".into());
    format!("{:#}\n", schema.as_value())
}

#[test]
fn the_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/post-mortem.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, made()).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    let how = "UPDATE_GOLDEN=1 cargo test --lib schema writes it anew";
    assert!(stored == made(), "docs/post-mortem.schema.json is not current ({how})");
}
