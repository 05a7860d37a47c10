//! `report.json` against its published schema, version by version.
//!
//! A validator with every keyword of the standard is forty crates; the schemas use a dozen keywords, so the check of those
//! stands here, and refuses a schema that uses another one.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Map, Value};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const CURRENT: u64 = 2;

/// Holds a value against a schema.
struct Check<'a> {
    schema: &'a Value,
    /// The places of the schema that a value has been found for.
    seen: BTreeSet<String>,
}

impl Check<'_> {
    fn errors(&mut self, value: &Value) -> Vec<String> {
        let mut errors = vec![];
        self.at(&self.schema.clone(), value, "", "#", &mut errors);
        errors
    }

    /// `path` is the place in the value, `place` the one in the schema.
    fn at(
        &mut self,
        schema: &Value,
        value: &Value,
        path: &str,
        place: &str,
        errors: &mut Vec<String>,
    ) {
        self.seen.insert(place.to_owned());
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" | "properties" => {}
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    let target = self.schema["$defs"][name].clone();
                    self.at(&target, value, path, &format!("#/$defs/{name}"), errors);
                }
                "anyOf" => {
                    let found =
                        rule.as_array().unwrap().iter().enumerate().any(|(number, option)| {
                            let mut of_option = vec![];
                            self.at(
                                option,
                                value,
                                path,
                                &format!("{place}/{number}"),
                                &mut of_option,
                            );
                            of_option.is_empty()
                        });
                    if !found {
                        errors.push(format!("{path}: fits none of the alternatives of {place}"));
                    }
                }
                "type" => {
                    let names = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                    if !names.iter().any(|name| is(value, name.as_str().unwrap())) {
                        errors.push(format!("{path}: is no {rule}"));
                    }
                }
                "const" if value != rule => errors.push(format!("{path}: is not {rule}")),
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    errors.push(format!("{path}: is none of {rule}"));
                }
                "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                    errors.push(format!("{path}: is below {rule}"));
                }
                "minItems" | "maxItems" => {
                    let (length, bound) = (value.as_array().map(Vec::len), rule.as_u64().unwrap());
                    let wrong = |length: u64| {
                        if keyword == "minItems" { length < bound } else { length > bound }
                    };
                    if length.is_some_and(|length| wrong(length as u64)) {
                        errors.push(format!("{path}: has not {bound} items"));
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                            errors.push(format!("{path}: lacks {name}"));
                        }
                    }
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.at(
                            rule,
                            item,
                            &format!("{path}/{number}"),
                            &format!("{place}/[]"),
                            errors,
                        );
                    }
                }
                "const" | "enum" | "minimum" | "additionalProperties" => {}
                other => panic!("{place}: this check does not know the keyword {other}"),
            }
        }
        if let (Some(object), Some("object")) = (value.as_object(), schema["type"].as_str()) {
            self.properties(schema, object, path, place, errors);
        }
    }

    /// Stricter than the schema, which lets properties be added: here each has to be described.
    fn properties(
        &mut self,
        schema: &Value,
        object: &Map<String, Value>,
        path: &str,
        place: &str,
        errors: &mut Vec<String>,
    ) {
        for (name, value) in object {
            let (path, place) = (format!("{path}/{name}"), format!("{place}/{name}"));
            if let Some(property) = schema["properties"].get(name) {
                self.at(property, value, &path, &place, errors);
            } else if let Some(any) = schema.get("additionalProperties") {
                self.at(any, value, &path, &place, errors);
            } else {
                errors.push(format!("{path}: is not described"));
            }
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("there is no type {other}"),
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn schema(version: u64) -> Value {
    json(&Path::new(HERE).join(format!("schema/report-v{version}.schema.json")))
}

fn errors(schema: &Value, report: &Value) -> Vec<String> {
    Check { schema, seen: BTreeSet::new() }.errors(report)
}

fn committed() -> Vec<PathBuf> {
    let folder = Path::new(HERE).join("../results");
    let runs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    runs.map(|run| run.join("report.json")).filter(|file| file.is_file()).collect()
}

/// A report of now, of a run that has a bit of everything.
fn fresh() -> Value {
    static ONCE: OnceLock<Value> = OnceLock::new();
    let run = || {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("ipc-bench"))
            .args(["run", "--self-test", "--rounds", "3", "--time-budget", "60s"])
            .args([
                "--scenario",
                "pingpong,stream,idle-wake",
                "--size",
                "64B,64KiB",
                "--gap",
                "10us",
            ])
            .args(["--transport", "pipe,unix,ring,corrupt,flag", "--output", "-", "--json"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    ONCE.get_or_init(run).clone()
}

#[test]
fn every_committed_report_has_the_form_of_its_version() {
    let files = committed();
    for file in &files {
        let report = json(file);
        let found = errors(&schema(report["schema"].as_u64().unwrap()), &report);
        assert!(found.is_empty(), "{}: {:?}", file.display(), &found[..found.len().min(9)]);
    }
    eprintln!("{} committed reports checked", files.len());
    assert!(files.len() >= 2);
}

#[test]
fn a_report_of_now_has_the_published_form_and_the_form_describes_nothing_else() {
    let (schema, report) = (schema(CURRENT), fresh());
    assert_eq!(report["schema"], CURRENT);
    let mut check = Check { schema: &schema, seen: BTreeSet::new() };
    let found = check.errors(&report);
    assert!(found.is_empty(), "{:?}", &found[..found.len().min(9)]);
    let mut described = vec![];
    properties(&schema, "#", &mut described);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        properties(definition, &format!("#/$defs/{name}"), &mut described);
    }
    // What this run on this machine had no reason to have.
    let may_miss = |place: &str| {
        ["shares", "fault", "pace", "calls", "placement", "usage"]
            .iter()
            .any(|name| place.contains(name))
    };
    let unseen: Vec<&String> =
        described.iter().filter(|place| !check.seen.contains(*place) && !may_miss(place)).collect();
    assert!(unseen.is_empty(), "described, but in no report: {unseen:?}");
    eprintln!("{} properties described", described.len());
}

/// The places of all properties that a schema describes.
fn properties(schema: &Value, place: &str, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}/{name}");
        properties(property, &place, found);
        found.push(place);
    }
    if schema["items"].is_object() {
        properties(&schema["items"], &format!("{place}/[]"), found);
    }
}

/// Every way of breaking one thing in a value: leaving out a property, or another type in place of a value.
fn broken(value: &Value) -> Vec<Value> {
    let mut all = vec![];
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let mut without = object.clone();
                without.remove(name);
                all.push(Value::Object(without));
                for inner in broken(inner) {
                    let mut with = object.clone();
                    with.insert(name.clone(), inner);
                    all.push(Value::Object(with));
                }
            }
        }
        Value::Array(items) => {
            // The items of a list are alike.
            for first in items.first().map(broken).into_iter().flatten() {
                let mut with = items.clone();
                with[0] = first;
                all.push(Value::Array(with));
            }
        }
        _ => all.push(serde_json::json!({ "no": "such thing" })),
    }
    all
}

#[test]
fn a_report_that_lacks_anything_or_has_anything_of_another_type_is_noticed() {
    let (schema, mut report) = (schema(CURRENT), fresh());
    for list in ["cells", "floors", "noise", "advice", "touch", "skipped"] {
        report[list].as_array_mut().unwrap().truncate(1);
    }
    // These hold names that only the machine knows.
    for map in ["/host/vulnerabilities", "/host/limits", "/host/unknown", "/cells/0/facts"] {
        *report.pointer_mut(map).unwrap() = serde_json::json!({});
    }
    assert_eq!(errors(&schema, &report), [""; 0]);
    let cases = broken(&report);
    let optional = ["pace"];
    let missed: Vec<&Value> = cases
        .iter()
        .filter(|case| {
            let text = case.to_string();
            errors(&schema, case).is_empty()
                && optional
                    .iter()
                    .all(|name| text.contains(name) == report.to_string().contains(name))
        })
        .collect();
    assert!(missed.is_empty(), "{} of {} breaks pass: {}", missed.len(), cases.len(), missed[0]);
    eprintln!("{} ways to break a report noticed", cases.len());
    assert!(cases.len() > 100);
}
