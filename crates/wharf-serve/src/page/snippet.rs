//! How to call a method from elsewhere. The script makes the same texts from what the form holds.

use serde_json::Value;
use wharf_spec::{data_type::DataType, model::Method};

use crate::schema::sample;

/// Returns a line for a shell.
pub(super) fn curl(method: &Method, host: &str) -> String {
    let url = format!("http://{host}/{}", method.name);
    if takes_file(method) {
        return format!("curl {url} -F file=@FILE");
    }
    format!("curl {url} -d '{}'", body(method).replace('\'', r"'\''"))
}

/// Returns a script that needs nothing but Python.
pub(super) fn python(method: &Method, host: &str) -> String {
    let url = format!("http://{host}/{}", method.name);
    if takes_file(method) {
        return format!(
            "import requests\n\nprint(requests.post(\"{url}\", files={{\"file\": open(\"FILE\", \"rb\")}}).content)"
        );
    }
    let body = body(method);
    let literal = if body.contains(['\'', '\\']) {
        serde_json::to_string(&body).expect("text is JSON")
    } else {
        format!("'{body}'")
    };
    format!(
        "import json, urllib.request\n\nbody = {literal}\n\
         answer = urllib.request.urlopen(\"{url}\", body.encode())\nprint(json.load(answer))"
    )
}

fn takes_file(method: &Method) -> bool {
    method.args.iter().any(|argument| matches!(argument.data_type, DataType::Binary(_)))
}

/// Returns the example as one line.
pub(super) fn body(method: &Method) -> String {
    line(&Value::Object(sample::body(method)))
}

/// Writes JSON on one line with a blank after commas and colons.
pub(super) fn line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pair = |(key, item): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), line(item))
            };
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quotes_in_a_body_end_no_string() {
        let method = json!({
            "name": "predict", "steps": [], "args": [], "returns": { "type": "unspecified" },
            "examples": [{ "data": "it's" }],
        });
        let method: Method = serde_json::from_value(method).unwrap();
        assert_eq!(curl(&method, "h:1"), r#"curl http://h:1/predict -d '{"data": "it'\''s"}'"#);
        assert!(python(&method, "h:1").contains(r#"body = "{\"data\": \"it's\"}""#));
    }
}
