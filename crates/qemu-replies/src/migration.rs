//! Parameters of a migration.
//!
//! ```text
//! query-migrate-parameters ──read──▶ Parameters ──json──▶ migrate-set-parameters
//!                                      ▲     │
//!                          <migParams>─┘     └──▶ <migParams>
//! ```

use crate::Malformed;
use serde_json::{Map, Value, json};
use xml::{Node, Writer};

/// Form of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A number of 32 bits.
    Int,
    /// A number of 64 bits.
    Long,
    Bool,
    Text,
}

/// Parameters that are known, in the order in which they are set and stored.
const KNOWN: &[(&str, Form)] = &[
    ("compress-level", Form::Int),
    ("compress-threads", Form::Int),
    ("decompress-threads", Form::Int),
    ("cpu-throttle-initial", Form::Int),
    ("cpu-throttle-increment", Form::Int),
    ("tls-creds", Form::Text),
    ("tls-hostname", Form::Text),
    ("max-bandwidth", Form::Long),
    ("downtime-limit", Form::Long),
    ("block-incremental", Form::Bool),
    ("xbzrle-cache-size", Form::Long),
    ("max-postcopy-bandwidth", Form::Long),
    ("multifd-channels", Form::Int),
    ("max-cpu-throttle", Form::Int),
    ("multifd-compression", Form::Text),
    ("multifd-zlib-level", Form::Int),
    ("multifd-zstd-level", Form::Int),
    ("multifd-qatzip-level", Form::Int),
    ("avail-switchover-bandwidth", Form::Long),
];

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// A number.
    Number(u64),
    /// On or off.
    Bool(bool),
    /// Text.
    Text(String),
}

/// Parameters that are set, by their place in the list of those known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(usize, Setting)>);

fn fits(form: Form, number: u64) -> bool {
    form == Form::Long || form == Form::Int && i32::try_from(number).is_ok()
}

impl Parameters {
    /// What `query-migrate-parameters` returned; parameters that are not known are passed over.
    pub fn read(reply: &Value) -> Parameters {
        let value = |(name, form): &(&str, Form)| {
            Some(match (form, reply.get(*name)?) {
                (Form::Bool, Value::Bool(value)) => Setting::Bool(*value),
                (Form::Text, Value::String(value)) => Setting::Text(value.clone()),
                (form, Value::Number(value)) => {
                    Setting::Number(value.as_u64().filter(|number| fits(*form, *number))?)
                }
                _ => return None,
            })
        };
        let known = KNOWN.iter().enumerate();
        Parameters(known.filter_map(|(at, parameter)| Some((at, value(parameter)?))).collect())
    }

    /// Reads a `<migParams>` element.
    ///
    /// # Errors
    /// When a parameter is unknown or its value makes no sense.
    pub fn from_xml(node: Node<'_>) -> Result<Parameters, Malformed> {
        let mut found = Vec::new();
        for param in node.children("param") {
            let name = param.attr("name").ok_or(Malformed("missing migration parameter name"))?;
            let value = param.attr("value").ok_or(Malformed("missing value of migration parameter"))?;
            let at = KNOWN.iter().position(|(known, _)| *known == name);
            let at = at.ok_or(Malformed("unknown migration parameter"))?;
            let wrong = Malformed("invalid value of migration parameter");
            let setting = match KNOWN.get(at).map(|(_, form)| *form) {
                Some(Form::Bool) => Setting::Bool(match value {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(wrong),
                }),
                Some(Form::Text) => Setting::Text(value.to_owned()),
                Some(form) => {
                    Setting::Number(value.parse().ok().filter(|number| fits(form, *number)).ok_or(wrong)?)
                }
                None => return Err(wrong),
            };
            found.retain(|(other, _)| *other != at);
            found.push((at, setting));
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(Parameters(found))
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.0.iter().filter_map(|(at, value)| Some((KNOWN.get(*at)?.0, value)))
    }

    /// Arguments of `migrate-set-parameters`.
    pub fn json(&self) -> Value {
        let mut arguments = Map::new();
        for (name, value) in self.iter() {
            let value = match value {
                Setting::Number(value) => json!(value),
                Setting::Bool(value) => json!(value),
                Setting::Text(value) => json!(value),
            };
            arguments.insert(name.to_owned(), value);
        }
        Value::Object(arguments)
    }

    /// Writes the `<migParams>` element.
    pub fn write(&self, w: &mut Writer) {
        if self.0.is_empty() {
            w.block("<migParams>\n</migParams>");
            return;
        }
        w.element("migParams").children(|w| {
            for (name, value) in self.iter() {
                let element = w.element("param").attr("name", name);
                match value {
                    Setting::Number(value) => element.attr("value", value).empty(),
                    Setting::Bool(value) => element.attr("value", if *value { "yes" } else { "no" }).empty(),
                    Setting::Text(value) => element.attr("value", value).empty(),
                }
            }
        });
    }
}
