//! What filters become on an interface.

use super::network_host::{line, wrapped};
use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_nwfilter::{Filter, Include, Parameters};
use firewall::{Answer, Call, Runner, Transaction};
use nwfilter_plan::install;
use serde_json::Value;
use std::sync::Arc;

/// Writes down calls that all succeed and print nothing.
struct Recorder {
    text: String,
    write: fn(&Call) -> String,
}

impl Runner for Recorder {
    fn run(&mut self, call: &Call) -> Answer {
        self.text.push_str(&(self.write)(call));
        Answer { success: true, ..Answer::default() }
    }
}

fn record(mut transaction: Transaction, write: fn(&Call) -> String) -> Result<String, String> {
    let mut recorder = Recorder { text: String::new(), write };
    transaction.apply(&mut recorder).map_err(|error| error.to_string())?;
    Ok(recorder.text)
}

/// `nwfilterebiptables`
pub(crate) fn calls(case: &Case) -> Verdict {
    let run = || {
        let args = case.value("args").ok_or("no args")?;
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default();
        let mac = || text("mac").parse().map_err(|_| "no mac".to_owned());
        let servers: Vec<&str> = args
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.contains("server"))
            .flat_map(|(_, value)| match value {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                other => other.as_str().into_iter().collect::<Vec<_>>(),
            })
            .collect();
        let leave = args.as_object().into_iter().flatten().any(|(name, value)| {
            name.contains("leave") && (value.as_bool() == Some(true) || value.as_i64() == Some(1))
        });
        let interface = text("ifname");
        let transaction = match case.text("call").unwrap_or_default() {
            "allTeardown" => install::remove(interface),
            "tearOldRules" => install::replace(interface),
            "tearNewRules" => install::discard(interface),
            "removeBasicRules" => install::remove_frames(interface),
            "applyBasicRules" => install::basic(interface, mac()?),
            "applyDHCPOnlyRules" => install::dhcp_only(interface, mac()?, &servers, leave),
            "applyDropAllRules" => install::drop_all(interface),
            other => return Err(format!("call {other} is not known")),
        };
        compare::exact(&case.read("expected")?, &record(transaction, line)?)
    };
    whole(run())
}

/// The filter with a name: the case's own, or one beside it.
fn library(case: &Case, name: &str) -> Option<Arc<Filter>> {
    let text = case
        .read_file(&format!("{name}.xml"))
        .or_else(|_| case.read_file(&format!("referenced/{name}.xml")))
        .ok()?;
    Filter::parse(&text, false, &mut || [0; 16]).ok().map(Arc::new)
}

/// `nwfilterxml2firewall`
pub(crate) fn rules(case: &Case) -> Verdict {
    let run = || {
        let args = case.value("args").ok_or("no args")?;
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default();
        let json = |name: &str| -> Result<Value, String> {
            serde_json::from_str(&case.read_file(name)?).map_err(|error| error.to_string())
        };
        let mut parameters = Parameters::default();
        for (name, values) in json(text("vars"))?.as_object().into_iter().flatten() {
            for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
                parameters.add(name, value);
            }
        }
        let input = Filter::parse(&case.read("input")?, false, &mut || [0; 16]);
        let input = Arc::new(input.map_err(|error| error.to_string())?);
        let own = input.name.clone();
        let find = |name: &str| if name == own { Some(input.clone()) } else { library(case, name) };
        let include = Include { filter: own.clone(), parameters };
        let rules = nwfilter_plan::flatten(&include, &find).map_err(|error| error.to_string())?;
        let plan = nwfilter_plan::plan(text("ifname"), &rules).map_err(|error| error.to_string())?;
        let mut got = record(plan.install(), wrapped)?;
        if let Some(name) = case.text("strip_blocks") {
            let blocks = json(name)?;
            let mut from = 0;
            for block in blocks.get("blocks").and_then(Value::as_array).into_iter().flatten() {
                let block = block.as_str().unwrap_or_default();
                if let Some(at) = got.get(from..).and_then(|rest| rest.find(block)) {
                    got.replace_range(from + at..from + at + block.len(), "");
                    from += at;
                }
            }
        }
        compare::as_is(&case.read("expected")?, &got)
    };
    whole(run())
}
