//! URIs: taken apart and put together again.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use serde_json::{Value, json};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(parts(case))
}

fn parts(case: &Case) -> Result<(), String> {
    let text = case.facts["input"]["uri"].as_str().ok_or("the case has no URI")?;
    let uri = match uri::Uri::parse(text) {
        Ok(uri) => uri,
        Err(_) if case.expect() != "success" => return Ok(()),
        Err(_) => return Err("refused".to_owned()),
    };
    let params: Vec<Value> = uri.params.iter().map(|p| json!([p.name, p.value])).collect();
    let got = json!({
        "scheme": uri.scheme, "server": uri.server, "port": uri.port, "path": uri.path, "query": uri.query,
        "fragment": uri.fragment, "user": uri.user,
        "params": if params.is_empty() { Value::Null } else { params.into() },
        "formatted": uri.format(),
    });
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    compare::exact(&pretty(&case.facts["expected"]), &pretty(&got))
}
