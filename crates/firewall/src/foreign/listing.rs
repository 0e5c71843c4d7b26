//! Listings of the packet filter, read as chains.

use super::{Chain, Hook, Rule, Target, Test, Tool, What};
use netaddr::{Family, Subnet};
use serde_json::Value;

/// Reads what `iptables-save` or `ip6tables-save` prints, the table `filter` of it.
pub fn saved(family: Family, text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let lines =
        text.lines().skip_while(|line| *line != "*filter").skip(1).take_while(|line| *line != "COMMIT");
    for line in lines {
        if let Some(line) = line.strip_prefix(':') {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let passes = words.next() != Some("DROP");
            let hook = match name {
                "INPUT" => Some(Hook::Input),
                "FORWARD" => Some(Hook::Forward),
                "OUTPUT" => Some(Hook::Output),
                _ => None,
            };
            chains.push(Chain {
                tool: Tool::Iptables,
                family: Some(family),
                table: "filter".to_owned(),
                name: name.to_owned(),
                base: hook.map(|hook| (hook, passes)),
                rules: Vec::new(),
            });
        } else if let Some((name, spec)) = line.strip_prefix("-A ").and_then(|line| line.split_once(' '))
            && let Some(chain) = chains.iter_mut().find(|chain| chain.name == name)
        {
            let place = chain.rules.len() as u64 + 1;
            chain.rules.push(Rule { place, ..saved_rule(spec) });
        }
    }
    chains
}

fn subnet(text: &str) -> Option<Subnet> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (netaddr::ip::parse(address)?, prefix.parse().ok()?),
        None => {
            let address = netaddr::ip::parse(text)?;
            (address, Family::of(address).bits())
        }
    };
    Subnet::of(address, prefix)
}

fn ports(text: &str) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        all.extend(first..=last);
    }
    Some(all)
}

fn saved_rule(spec: &str) -> Rule {
    let mut rule = Rule { tests: Vec::new(), target: Target::Nothing, text: spec.to_owned(), place: 0 };
    let mut words = spec.split(' ').peekable();
    let mut not = false;
    while let Some(word) = words.next() {
        if word == "!" {
            not = true;
            continue;
        }
        let list =
            |text: Option<&str>| text.unwrap_or_default().split(',').map(str::to_owned).collect::<Vec<_>>();
        let nets = |text: Option<&str>| text.and_then(subnet).map(|net| vec![net]);
        let what = match word {
            // Which kind of condition follows.
            "-m" => {
                words.next();
                continue;
            }
            "-j" | "-g" => {
                let name = words.next().unwrap_or_default();
                rule.target = match name {
                    "ACCEPT" => Target::Accept,
                    "DROP" | "REJECT" => Target::Drop,
                    "RETURN" => Target::Return,
                    "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TCPMSS" | "NFQUEUE" => Target::Nothing,
                    name if word == "-g" => Target::Goto(name.to_owned()),
                    name => Target::Jump(name.to_owned()),
                };
                break;
            }
            "-i" => What::Input(list(words.next())),
            "-o" => What::Output(list(words.next())),
            "-s" => nets(words.next()).map_or(What::Other, What::Source),
            "-d" => nets(words.next()).map_or(What::Other, What::Destination),
            "-p" => What::Protocol(list(words.next())),
            "--ctstate" | "--state" => What::State(list(words.next())),
            "--dport" | "--dports" => words.next().and_then(ports).map_or(What::Other, What::Port),
            _ => {
                while words.next_if(|next| !next.starts_with('-') && *next != "!").is_some() {}
                What::Other
            }
        };
        rule.tests.push(Test { what, not: std::mem::take(&mut not) });
    }
    rule
}

/// Reads what `nft -j list ruleset` prints, but for the tables that iptables keeps.
///
/// # Errors
/// When it is no JSON.
pub fn json(text: &str) -> Result<Vec<Chain>, serde_json::Error> {
    let value: Value = serde_json::from_str(text)?;
    let mut chains: Vec<Chain> = Vec::new();
    let items = value.get("nftables").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for item in items {
        if let Some(chain) = item.get("chain").and_then(json_chain) {
            chains.push(chain);
        } else if let Some(rule) = item.get("rule") {
            let of = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
            let family = family(of("family"));
            let found = chains.iter_mut().find(|chain| {
                Some(chain.family) == family && chain.table == of("table") && chain.name == of("chain")
            });
            if let Some(chain) = found {
                let place = rule.get("handle").and_then(Value::as_u64).unwrap_or(0);
                let expressions = rule.get("expr").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                chain.rules.extend(json_rules(expressions, place));
            }
        }
    }
    Ok(chains)
}

/// Families that packets of networks belong to; the inner is none for both.
fn family(name: &str) -> Option<Option<Family>> {
    match name {
        "ip" => Some(Some(Family::Ipv4)),
        "ip6" => Some(Some(Family::Ipv6)),
        "inet" => Some(None),
        _ => None,
    }
}

fn json_chain(chain: &Value) -> Option<Chain> {
    let of = |name: &str| chain.get(name).and_then(Value::as_str);
    let family = family(of("family")?)?;
    let (table, name) = (of("table")?, of("name")?);
    let common = ["filter", "nat", "mangle", "raw", "security"];
    if family.is_some() && common.contains(&table) && name.chars().all(|c| !c.is_ascii_lowercase()) {
        return None;
    }
    let hook = match (of("type"), of("hook")) {
        (Some("filter"), Some("input")) => Some(Hook::Input),
        (Some("filter"), Some("forward")) => Some(Hook::Forward),
        (Some("filter"), Some("output")) => Some(Hook::Output),
        _ => None,
    };
    Some(Chain {
        tool: Tool::Nft,
        family,
        table: table.to_owned(),
        name: name.to_owned(),
        base: hook.map(|hook| (hook, of("policy") != Some("drop"))),
        rules: Vec::new(),
    })
}

/// What a verdict means; none for what is no verdict.
fn verdict(expression: &Value) -> Option<Target> {
    let (name, value) = expression.as_object()?.iter().next()?;
    let to = || value.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(match name.as_str() {
        "accept" => Target::Accept,
        "drop" | "reject" => Target::Drop,
        "return" => Target::Return,
        "jump" => Target::Jump(to()),
        "goto" => Target::Goto(to()),
        _ => return None,
    })
}

/// The words of an operand: one, a list, or a set.
fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(word) => Some(vec![word.clone()]),
        Value::Number(number) => Some(vec![number.to_string()]),
        Value::Array(list) => list.iter().map(words).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        Value::Object(map) => {
            let (name, value) = map.iter().next()?;
            match name.as_str() {
                "set" => words(value),
                "prefix" => {
                    let address = value.get("addr")?.as_str()?;
                    Some(vec![format!("{address}/{}", value.get("len")?.as_u64()?)])
                }
                "range" => {
                    let number = |at: usize| value.get(at)?.as_u64();
                    let (first, last) = (number(0)?, number(1)?);
                    (last.checked_sub(first)? <= 65535)
                        .then(|| (first..=last).map(|n| n.to_string()).collect())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn what(left: &Value, right: &Value) -> What {
    let Some(words) = words(right) else { return What::Other };
    let nets = |make: fn(Vec<Subnet>) -> What| {
        words.iter().map(|word| subnet(word)).collect::<Option<Vec<_>>>().map_or(What::Other, make)
    };
    let key = |kind: &str| left.get(kind).and_then(|part| part.get("key")).and_then(Value::as_str);
    let field = left.get("payload").and_then(|part| part.get("field")).and_then(Value::as_str);
    match (key("meta"), key("ct"), field) {
        (Some("iifname" | "iif"), ..) => What::Input(words),
        (Some("oifname" | "oif"), ..) => What::Output(words),
        (Some("l4proto"), ..) => What::Protocol(words),
        (_, Some("state"), _) => What::State(words),
        (_, _, Some("saddr")) => nets(What::Source),
        (_, _, Some("daddr")) => nets(What::Destination),
        (_, _, Some("dport")) => {
            let ports = words.iter().map(|word| word.parse().ok()).collect::<Option<Vec<u16>>>();
            ports.map_or(What::Other, What::Port)
        }
        _ => What::Other,
    }
}

/// The rule, or the rules that its map stands for.
fn json_rules(expressions: &[Value], place: u64) -> Vec<Rule> {
    let mut tests = Vec::new();
    let text: Vec<String> = expressions.iter().filter_map(shown).collect();
    let text = text.join(" ");
    let rule = |tests: Vec<Test>, target| Rule { tests, target, text: text.clone(), place };
    for expression in expressions {
        if let Some(test) = expression.get("match") {
            let (Some(left), Some(right)) = (test.get("left"), test.get("right")) else { continue };
            let not = test.get("op").and_then(Value::as_str) == Some("!=");
            tests.push(Test { what: what(left, right), not });
        } else if let Some(map) = expression.get("vmap") {
            let entries = map.get("data").and_then(|data| data.get("set")).and_then(Value::as_array);
            let Some(key) = map.get("key") else { return Vec::new() };
            let entries = entries.into_iter().flatten().filter_map(|entry| {
                let test = Test { what: what(key, entry.get(0)?), not: false };
                Some(rule(tests.iter().cloned().chain([test]).collect(), verdict(entry.get(1)?)?))
            });
            return entries.collect();
        } else if let Some(target) = verdict(expression) {
            return vec![rule(tests, target)];
        } else if expression.get("counter").is_none() && expression.get("log").is_none() {
            tests.push(Test { what: What::Other, not: false });
        }
    }
    Vec::new()
}

/// An expression in words, near to how nft lists it.
fn shown(expression: &Value) -> Option<String> {
    if let Some(test) = expression.get("match") {
        let left = test.get("left")?;
        let right = words(test.get("right")?)?.join(",");
        let (_, part) = left.as_object()?.iter().next()?;
        let name = part.get("key").or_else(|| part.get("field"))?.as_str()?;
        let not = if test.get("op")?.as_str()? == "!=" { "!= " } else { "" };
        return Some(format!("{name} {not}{right}"));
    }
    let (name, value) = expression.as_object()?.iter().next()?;
    match verdict(expression)? {
        Target::Jump(_) | Target::Goto(_) => Some(format!("{name} {}", value.get("target")?.as_str()?)),
        _ => Some(name.clone()),
    }
}
