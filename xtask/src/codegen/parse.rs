//! Reading the notation that `protocol/README.md` describes.

use super::model::{Event, Family, Field, Group, Kind, Model, Proc, Program, Rule, Stream, Struct};
use std::path::Path;

/// Reads every `.idl` of a folder: programs first, since parts name them.
pub(crate) fn folder(dir: &Path) -> Result<Model, String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .map_err(|e| format!("{}: {e}", dir.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "idl"))
        .collect();
    // `remote.idl` holds what `remote_*.idl` refer to, and `.` sorts before `_`.
    names.sort();
    let mut model = Model::default();
    for path in names {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut reader = Reader { model: &mut model, title: String::new(), part: None, in_group: false };
        for (number, line) in text.lines().enumerate() {
            reader.line(number, line).map_err(|e| format!("{}:{}: {e}", path.display(), number + 1))?;
        }
    }
    Ok(model)
}

struct Reader<'m> {
    model: &'m mut Model,
    title: String,
    /// Index of the program and of the family that following items belong to.
    part: Option<(usize, usize)>,
    /// Indented lines are members of the last enumeration.
    in_group: bool,
}

fn next<'l>(words: &mut impl Iterator<Item = &'l str>, what: &str) -> Result<&'l str, String> {
    words.next().ok_or_else(|| format!("{what} is missing"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is no number"))
}

impl Reader<'_> {
    fn line(&mut self, line_number: usize, line: &str) -> Result<(), String> {
        if let Some(comment) = line.strip_prefix('#') {
            if line_number == 0 {
                self.title = comment.trim().to_owned();
            }
            return Ok(());
        }
        if line.trim().is_empty() {
            return Ok(());
        }
        let indented = line.starts_with(' ');
        let mut words = line.split_whitespace();
        let head = next(&mut words, "a word")?;
        let rest = line.trim_start()[head.len()..].trim();
        if indented { self.detail(head, rest, line) } else { self.item(head, words) }
    }

    fn item<'l>(&mut self, head: &str, mut words: impl Iterator<Item = &'l str>) -> Result<(), String> {
        self.in_group = matches!(head, "flags" | "enum" | "names");
        match head {
            "program" => {
                let name = next(&mut words, "name")?.to_owned();
                let hex = next(&mut words, "number")?.trim_start_matches("0x");
                let program = u32::from_str_radix(hex, 16).map_err(|e| e.to_string())?;
                let version = number(next(&mut words, "version")?)?;
                let (limits, structs, families) = (Vec::new(), Vec::new(), Vec::new());
                self.model.programs.push(Program {
                    name,
                    number: program,
                    version,
                    limits,
                    structs,
                    families,
                });
            }
            "limit" => {
                let limit = (next(&mut words, "name")?.to_owned(), number(next(&mut words, "value")?)?);
                self.program()?.limits.push(limit);
            }
            "struct" => {
                let name = next(&mut words, "name")?.to_owned();
                self.program()?.structs.push(Struct { name, fields: Vec::new() });
            }
            "part" => {
                let (program, family) =
                    next(&mut words, "part")?.split_once('.').ok_or("PROGRAM.FAMILY expected")?;
                let programs = &mut self.model.programs;
                let index = programs.iter().position(|p| p.name == program).ok_or("unknown program")?;
                let families = &mut programs[index].families;
                let (procs, events) = (Vec::new(), Vec::new());
                families.push(Family { name: family.to_owned(), title: self.title.clone(), procs, events });
                self.part = Some((index, families.len() - 1));
            }
            "proc" => {
                let proc = procedure(&mut words)?;
                self.family()?.procs.push(proc);
            }
            "event" => {
                let event = Event {
                    number: number(next(&mut words, "number")?)?,
                    name: next(&mut words, "name")?.to_owned(),
                    object: next(&mut words, "object")?.to_owned(),
                    id: number(next(&mut words, "id")?)?,
                    msg: Vec::new(),
                };
                self.family()?.events.push(event);
            }
            "flags" | "enum" => {
                let name = next(&mut words, "name")?.to_owned();
                self.model.constants.push(Group { name, flags: head == "flags", members: Vec::new() });
            }
            "names" => {
                self.model.constants.push(Group { name: String::new(), flags: false, members: Vec::new() })
            }
            _ => return Err(format!("unknown item '{head}'")),
        }
        Ok(())
    }

    fn detail(&mut self, head: &str, rest: &str, line: &str) -> Result<(), String> {
        if let Some(group) = self.model.constants.last_mut().filter(|_| self.in_group) {
            if group.name.is_empty() {
                self.model.names.push((head.to_owned(), rest.to_owned()));
            } else {
                group.members.push((head.to_owned(), number(rest)?));
            }
            return Ok(());
        }
        if self.part.is_none() {
            let fields = self.fields(line.trim())?;
            let last = self.program()?.structs.last_mut().ok_or("no structure to add fields to")?;
            last.fields.extend(fields);
            return Ok(());
        }
        if head == "msg" {
            let fields = self.fields(rest)?;
            self.family()?.events.last_mut().ok_or("no event")?.msg = fields;
            return Ok(());
        }
        let fields = if matches!(head, "args" | "ret") { self.fields(rest)? } else { Vec::new() };
        let proc = self.family()?.procs.last_mut().ok_or("no procedure")?;
        match head {
            "args" => proc.args = fields,
            "ret" => proc.ret = fields,
            "stream" => {
                proc.stream = Some(Stream {
                    to_server: rest.starts_with("to-server"),
                    sparse: rest.ends_with("sparse"),
                });
            }
            "acl" => proc.acl.push(rule(rest)?),
            _ => return Err(format!("unknown detail '{head}'")),
        }
        Ok(())
    }

    fn program(&mut self) -> Result<&mut Program, String> {
        self.model.programs.last_mut().ok_or_else(|| "no program yet".to_owned())
    }

    fn family(&mut self) -> Result<&mut Family, String> {
        let (program, family) = self.part.ok_or("no part yet")?;
        Ok(&mut self.model.programs[program].families[family])
    }

    fn fields(&self, text: &str) -> Result<Vec<Field>, String> {
        text.split(", ").map(|field| self.field(field)).collect()
    }

    fn field(&self, text: &str) -> Result<Field, String> {
        let (name, kind) = text.split_once(": ").ok_or_else(|| format!("'{text}': 'name: type' expected"))?;
        let limit = |text: &str| {
            let known = self.model.programs.iter().flat_map(|p| &p.limits).find(|(name, _)| name == text);
            known.map_or_else(|| number(text), |(_, value)| Ok(*value))
        };
        let kind = if let Some((element, bound)) = kind.strip_suffix('>').and_then(|k| k.split_once('<')) {
            if element == "bytes" {
                Kind::Bytes(limit(bound)?)
            } else {
                Kind::List(element.to_owned(), limit(bound)?)
            }
        } else if let Some((element, bound)) = kind.strip_suffix(']').and_then(|k| k.split_once('[')) {
            Kind::Array(element.to_owned(), limit(bound)?)
        } else if let Some(element) = kind.strip_suffix('?') {
            Kind::Optional(element.to_owned())
        } else {
            Kind::Plain(kind.to_owned())
        };
        Ok(Field { name: name.to_owned(), kind })
    }
}

fn procedure<'l>(words: &mut impl Iterator<Item = &'l str>) -> Result<Proc, String> {
    let mut proc = Proc {
        number: number(next(words, "number")?)?,
        name: next(words, "name")?.to_owned(),
        high: false,
        write: false,
        server: false,
        c_name: String::new(),
        error_domain: 0,
        args: Vec::new(),
        ret: Vec::new(),
        stream: None,
        acl: Vec::new(),
    };
    while let Some(word) = words.next() {
        match word {
            "high" => proc.high = true,
            "low" => proc.high = false,
            "read" => proc.write = false,
            "write" => proc.write = true,
            "server" => proc.server = true,
            "c" => {
                proc.c_name = next(words, "C function")?.to_owned();
                proc.error_domain = number(next(words, "error domain")?)?;
            }
            _ => return Err(format!("unknown word '{word}'")),
        }
    }
    Ok(proc)
}

fn rule(text: &str) -> Result<Rule, String> {
    let (filter, text) = text.strip_prefix("filter ").map_or((false, text), |rest| (true, rest));
    let (what, condition) =
        text.split_once(' ').map_or((text, None), |(what, when)| (what, Some(when.to_owned())));
    let (object, permission) = what.split_once('.').ok_or("OBJECT.PERMISSION expected")?;
    Ok(Rule { filter, object: object.to_owned(), permission: permission.to_owned(), condition })
}
