//! Reading `protocol/c/*.idl`: the public C interface as values.

use std::path::Path;

/// The interface, header by header.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) headers: Vec<Header>,
}

/// One header file.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) name: String,
    /// The library that has its functions: `libvirt`, `libvirt-qemu` …
    pub(crate) library: String,
    pub(crate) opaques: Vec<(String, String)>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) macros: Vec<Macro>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) structs: Vec<Struct>,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) data: Vec<Data>,
    pub(crate) functions: Vec<Function>,
}

/// Another name of a type.
#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) since: String,
    pub(crate) target: String,
}

/// A name for a text or a number, as written in C.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: String,
    pub(crate) since: String,
    pub(crate) value: String,
}

/// An enumeration; the value of a member is a number or the name of another member.
#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) members: Vec<(String, String, String)>,
}

/// A structure with its size in bytes on x86_64.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) since: String,
    pub(crate) size: usize,
    pub(crate) fields: Vec<Member>,
}

/// A field; those of a union have alternatives.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) alternatives: Vec<(String, String)>,
}

/// The type of a function that callers hand over.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) name: String,
    pub(crate) since: String,
    pub(crate) returns: String,
    pub(crate) params: Vec<Param>,
}

/// An exported variable.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) node: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A parameter: type and name.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Bindings may leave it out.
    pub(crate) optional: bool,
}

/// An exported function with what it checks first, in order.
#[derive(Debug)]
pub(crate) struct Function {
    /// Version node without its prefix.
    pub(crate) node: String,
    pub(crate) since: String,
    pub(crate) returns: String,
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    pub(crate) checks: Vec<Check>,
}

/// Something that a function checks before any driver is asked.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    /// The pointer is an object of its kind.
    Object,
    /// Not over a read-only connection.
    Write,
    /// The same, when any of these flags is given.
    WriteIfFlags(u64),
    /// A condition on a parameter: `nonnull`, `positive` …
    Arg(String, String),
    /// Two flags that exclude each other, and the argument that the error names.
    Exclusive(String, String, String),
    /// The first flag is needed when the second is given.
    Requires(String, String, String),
}

impl Table {
    /// All functions with their headers.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&Header, &Function)> {
        self.headers.iter().flat_map(|header| header.functions.iter().map(move |function| (header, function)))
    }

    /// The number of an enumeration's member.
    pub(crate) fn value(&self, name: &str) -> Option<i64> {
        let members = self.headers.iter().flat_map(|h| &h.enums).flat_map(|e| &e.members);
        let (_, value, _) = members.into_iter().find(|(member, _, _)| member == name)?;
        value.parse().ok().or_else(|| self.value(value))
    }

    /// Reads the folder.
    pub(crate) fn read(dir: &Path) -> Result<Table, String> {
        let mut paths: Vec<_> = std::fs::read_dir(dir)
            .map_err(|e| format!("{}: {e}", dir.display()))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "idl"))
            .collect();
        paths.sort();
        let mut table = Table::default();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let mut reader = Reader { table: &mut table, header: 0, last: "" };
            for (number, line) in text.lines().enumerate() {
                reader.line(line).map_err(|e| format!("{}:{}: {e}", path.display(), number + 1))?;
            }
        }
        Ok(table)
    }
}

struct Reader<'t> {
    table: &'t mut Table,
    header: usize,
    /// The item that indented lines belong to.
    last: &'static str,
}

/// `TYPE NAME`, where stars belong to the type.
fn declaration(text: &str) -> Result<Param, String> {
    let text = text.trim();
    let start =
        text.rfind(|c: char| !c.is_alphanumeric() && c != '_').ok_or_else(|| format!("'{text}': no type"))?;
    let (kind, name) = text.split_at(start + 1);
    Ok(Param { kind: kind.trim().to_owned(), name: name.to_owned(), optional: false })
}

fn parameters(text: &str) -> Result<Vec<Param>, String> {
    match text.trim() {
        "void" | "" => Ok(Vec::new()),
        list => list.split(", ").map(declaration).collect(),
    }
}

fn two(text: &str) -> Result<(String, &str), String> {
    let (word, rest) = text.split_once(' ').ok_or_else(|| format!("'{text}': two words expected"))?;
    Ok((word.to_owned(), rest.trim()))
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with('#') || line.trim().is_empty() {
            return Ok(());
        }
        if line.starts_with(' ') { self.detail(line.trim()) } else { self.item(line) }
    }

    fn header(&mut self) -> &mut Header {
        &mut self.table.headers[self.header]
    }

    fn item(&mut self, line: &str) -> Result<(), String> {
        let (head, rest) = two(line).unwrap_or_else(|_| (line.to_owned(), ""));
        match head.as_str() {
            "header" => {
                let (name, library) = two(rest)?;
                let known = self.table.headers.iter().position(|header| header.name == name);
                self.header = known.unwrap_or_else(|| {
                    self.table.headers.push(Header {
                        name,
                        library: library.to_owned(),
                        ..Header::default()
                    });
                    self.table.headers.len() - 1
                });
                return Ok(());
            }
            "opaque" => {
                let (name, since) = two(rest)?;
                self.header().opaques.push((name, since.to_owned()));
            }
            "alias" => {
                let (left, target) = rest.split_once(" = ").ok_or("'=' expected")?;
                let (name, since) = two(left)?;
                self.header().aliases.push(Alias {
                    name,
                    since: since.to_owned(),
                    target: target.to_owned(),
                });
            }
            "macro" => {
                let (name, rest) = two(rest)?;
                let (since, value) = two(rest)?;
                self.header().macros.push(Macro { name, since, value: value.to_owned() });
            }
            "enum" => {
                self.last = "enum";
                self.header().enums.push(Enum { name: rest.to_owned(), members: Vec::new() });
            }
            "struct" => {
                self.last = "struct";
                let (name, rest) = two(rest)?;
                let (since, size) = rest.split_once(" size ").ok_or("size expected")?;
                let size = size.parse().map_err(|_| "size is no number")?;
                self.header().structs.push(Struct {
                    name,
                    since: since.to_owned(),
                    size,
                    fields: Vec::new(),
                });
            }
            "callback" => {
                let (left, right) = rest.split_once(" = ").ok_or("'=' expected")?;
                let (name, since) = two(left)?;
                let (returns, list) = right.split_once('(').ok_or("'(' expected")?;
                let params = parameters(list.trim_end_matches(')'))?;
                let (since, returns) = (since.to_owned(), returns.trim().to_owned());
                self.header().callbacks.push(Callback { name, since, returns, params });
            }
            "data" => {
                let (node, rest) = two(rest)?;
                let node = node.trim_start_matches("LIBVIRT_").to_owned();
                let declared = declaration(rest)?;
                self.header().data.push(Data { node, kind: declared.kind, name: declared.name });
            }
            "fn" => {
                self.last = "fn";
                let (node, rest) = two(rest)?;
                let (left, list) = rest.split_once('(').ok_or("'(' expected")?;
                let declared = declaration(left)?;
                let params = parameters(list.trim_end_matches(')'))?;
                let since = node.clone();
                let (returns, name, checks) = (declared.kind, declared.name, Vec::new());
                self.header().functions.push(Function { node, since, returns, name, params, checks });
            }
            _ => return Err(format!("unknown item '{head}'")),
        }
        Ok(())
    }

    fn detail(&mut self, line: &str) -> Result<(), String> {
        let last = self.last;
        let header = self.header();
        match last {
            "enum" => {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [name, value, since] = words[..] else {
                    return Err("NAME VALUE SINCE expected".to_owned());
                };
                let last = header.enums.last_mut().ok_or("no enumeration")?;
                last.members.push((name.to_owned(), value.to_owned(), since.to_owned()));
            }
            "struct" => {
                let fields = &mut header.structs.last_mut().ok_or("no structure")?.fields;
                if let Some(rest) = line.strip_prefix("union ") {
                    let (name, list) = rest.split_once(" = ").ok_or("'=' expected")?;
                    let parts: Result<Vec<Param>, String> = list.split("; ").map(declaration).collect();
                    let alternatives = parts?.into_iter().map(|p| (p.kind, p.name)).collect();
                    fields.push(Member { kind: "union".to_owned(), name: name.to_owned(), alternatives });
                } else {
                    let declared = declaration(line)?;
                    let (kind, name) = (declared.kind, declared.name);
                    fields.push(Member { kind, name, alternatives: Vec::new() });
                }
            }
            "fn" => {
                let function = header.functions.last_mut().ok_or("no function")?;
                let words: Vec<&str> = line.split_whitespace().collect();
                let own = |word: &str| word.to_owned();
                match words[..] {
                    ["optional", name] => {
                        if let Some(param) = function.params.iter_mut().find(|param| param.name == name) {
                            param.optional = true;
                        }
                    }
                    ["since", since] => function.since = own(since),
                    ["object", _] => function.checks.push(Check::Object),
                    ["write"] => function.checks.push(Check::Write),
                    ["write-if-flags", bits] => {
                        let bits = u64::from_str_radix(bits.trim_start_matches("0x"), 16);
                        function.checks.push(Check::WriteIfFlags(bits.map_err(|e| e.to_string())?));
                    }
                    ["exclusive", a, b, "as", arg] => {
                        function.checks.push(Check::Exclusive(own(a), own(b), own(arg)));
                    }
                    ["requires", a, "by", b, "as", arg] => {
                        function.checks.push(Check::Requires(own(a), own(b), own(arg)));
                    }
                    [condition, name] => function.checks.push(Check::Arg(own(condition), own(name))),
                    _ => return Err(format!("unknown check '{line}'")),
                }
            }
            _ => return Err("an indented line without an item".to_owned()),
        }
        Ok(())
    }
}
