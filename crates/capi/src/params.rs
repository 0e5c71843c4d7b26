//! Typed parameters in C: arrays of structures with a name, a type and a value.

use crate::entry::{Entry, enter};
use crate::memory::{self, fixed, get, put};
use base::param::{TypedParam, TypedValue, type_name};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::ffi::{CStr, c_char, c_double, c_int, c_longlong, c_uint, c_ulonglong};

/// Bytes of a name with its NUL.
const FIELD: usize = 80;
/// The most parameters that an array from outside may have.
const PARAMS_MAX: usize = 1 << 20;

/// `struct _virTypedParameter`; the value is a union of eight bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct VirTypedParameter {
    field: [c_char; FIELD],
    kind: c_int,
    value: Value,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Value {
    i: c_int,
    ui: c_uint,
    l: c_longlong,
    ul: c_ulonglong,
    d: c_double,
    b: c_char,
    s: *mut c_char,
}

impl std::fmt::Debug for VirTypedParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name(), type_name(self.kind))
    }
}

impl VirTypedParameter {
    fn name(&self) -> String {
        let bytes: Vec<u8> = self.field.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn is(&self, name: *const c_char) -> bool {
        // SAFETY: a text that ends with a NUL; the field ends with one too or is cut.
        unsafe { libc::strncmp(self.field.as_ptr(), name, FIELD) == 0 }
    }

    fn new(param: &TypedParam) -> Result<VirTypedParameter> {
        let value = match &param.value {
            TypedValue::Int(i) => Value { i: *i },
            TypedValue::UInt(ui) => Value { ui: *ui },
            TypedValue::LLong(l) => Value { l: *l },
            TypedValue::ULLong(ul) => Value { ul: *ul },
            TypedValue::Double(d) => Value { d: *d },
            TypedValue::Boolean(b) => Value { b: c_char::from(*b) },
            TypedValue::String(s) => Value { s: memory::text(s)? },
        };
        Ok(VirTypedParameter { field: fixed(&param.field), kind: param.value.type_number(), value })
    }

    fn read(&self) -> Result<TypedParam> {
        // SAFETY: the type says which member of the union was written; a text is valid during the call.
        let value = unsafe {
            match self.kind {
                1 => TypedValue::Int(self.value.i),
                2 => TypedValue::UInt(self.value.ui),
                3 => TypedValue::LLong(self.value.l),
                4 => TypedValue::ULLong(self.value.ul),
                5 => TypedValue::Double(self.value.d),
                6 => TypedValue::Boolean(self.value.b != 0),
                7 if self.value.s.is_null() => {
                    let text = format!("NULL string parameter '{}'", self.name());
                    return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text));
                }
                7 => TypedValue::String(memory::read(self.value.s)),
                other => {
                    let text = format!("unknown parameter type: {other}");
                    return Err(Error::new(ErrorCode::RPC, ErrorDomain::REMOTE, text));
                }
            }
        };
        Ok(TypedParam { field: self.name(), value })
    }

    fn clear(&mut self) {
        if self.kind == 7 {
            // SAFETY: the type says that the value is a text, which the array owns.
            memory::free(unsafe { self.value.s });
            self.value = Value { ul: 0 };
        }
    }
}

/// The parameters of a caller's array; names may be given once each only.
pub(crate) fn read(params: *const VirTypedParameter, count: impl TryInto<usize>) -> Result<Vec<TypedParam>> {
    memory::slice(params, count)?.iter().map(VirTypedParameter::read).collect()
}

/// A new array with these parameters.
pub(crate) fn array(params: &[TypedParam]) -> Result<*mut VirTypedParameter> {
    let items: Result<Vec<VirTypedParameter>> = params.iter().map(VirTypedParameter::new).collect();
    memory::array(&items?)
}

/// Hands out a new array and its length.
pub(crate) fn give(
    params: &[TypedParam],
    target: *mut *mut VirTypedParameter,
    count: *mut c_int,
) -> Result<()> {
    put(target, array(params)?);
    put(count, params.len() as c_int);
    Ok(())
}

/// Fills a caller's array, which has room for `*count`, and tells how many are there.
pub(crate) fn fill(params: &[TypedParam], target: *mut VirTypedParameter, count: *mut c_int) -> Result<()> {
    let room = get(count).max(0) as usize;
    let items: Result<Vec<VirTypedParameter>> =
        params.iter().take(room).map(VirTypedParameter::new).collect();
    let filled = memory::fill(target, room, &items?);
    put(count, filled as c_int);
    Ok(())
}

/// `virTypedParamsClear`
#[unsafe(no_mangle)]
pub extern "C" fn virTypedParamsClear(params: *mut VirTypedParameter, nparams: c_int) {
    if params.is_null() {
        return;
    }
    for at in 0..usize::try_from(nparams).unwrap_or(0).min(PARAMS_MAX) {
        // SAFETY: by the contract the array has `nparams` elements.
        unsafe { (*params.add(at)).clear() };
    }
}

/// `virTypedParamsFree`
#[unsafe(no_mangle)]
pub extern "C" fn virTypedParamsFree(params: *mut VirTypedParameter, nparams: c_int) {
    virTypedParamsClear(params, nparams);
    memory::free(params);
}

fn find(params: *mut VirTypedParameter, nparams: c_int, name: *const c_char) -> *mut VirTypedParameter {
    if params.is_null() || name.is_null() {
        return std::ptr::null_mut();
    }
    (0..usize::try_from(nparams).unwrap_or(0))
        // SAFETY: by the contract the array has `nparams` elements.
        .map(|at| unsafe { params.add(at) })
        // SAFETY: as above.
        .find(|param| unsafe { (**param).is(name) })
        .unwrap_or(std::ptr::null_mut())
}

/// `virTypedParamsGet`
#[unsafe(no_mangle)]
pub extern "C" fn virTypedParamsGet(
    params: *mut VirTypedParameter,
    nparams: c_int,
    name: *const c_char,
) -> *mut VirTypedParameter {
    crate::last_error::reset();
    find(params, nparams, name)
}

/// Looks a parameter up that must have a type; 1 when it is there, 0 when not.
fn typed<T>(
    (params, nparams, name): (*mut VirTypedParameter, c_int, *const c_char),
    function: &'static str,
    kind: c_int,
    value: *mut T,
    read: impl FnOnce(Value) -> T,
) -> c_int {
    enter(function, 0, -1, |entry| {
        let found = find(params, nparams, name);
        // SAFETY: `find` gives NULL or an element of the array.
        let Some(param) = (unsafe { found.as_ref() }) else { return Ok(0) };
        if param.kind != kind {
            let text = format!(
                "Invalid type '{}' requested for parameter '{}', actual type is '{}'",
                type_name(kind),
                param.name(),
                type_name(param.kind)
            );
            return Err(Error::new(ErrorCode::INVALID_ARG, entry.domain, text));
        }
        put(value, read(param.value));
        Ok(1)
    })
}

macro_rules! getters {
    ($($name:ident($kind:literal, $type:ty, $value:ident => $read:expr);)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(
                params: *mut VirTypedParameter,
                nparams: c_int,
                name: *const c_char,
                value: *mut $type,
            ) -> c_int {
                // SAFETY: the type was checked to be that of the member.
                typed((params, nparams, name), stringify!($name), $kind, value, |$value| unsafe { $read })
            }
        )+
    };
}
getters! {
    virTypedParamsGetInt(1, c_int, v => v.i);
    virTypedParamsGetUInt(2, c_uint, v => v.ui);
    virTypedParamsGetLLong(3, c_longlong, v => v.l);
    virTypedParamsGetULLong(4, c_ulonglong, v => v.ul);
    virTypedParamsGetDouble(5, c_double, v => v.d);
    virTypedParamsGetBoolean(6, c_int, v => c_int::from(v.b != 0));
    virTypedParamsGetString(7, *const c_char, v => v.s.cast_const());
}

/// A caller's growing array: the array, how many are in it and how many have room.
type Growing = (*mut *mut VirTypedParameter, *mut c_int, *mut c_int);

fn add(entry: &Entry, (params, count, room): Growing, name: *const c_char, value: TypedValue) -> Result<()> {
    entry.nonnull(name, "name")?;
    // SAFETY: not NULL, and a text by the contract.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    let name = String::from_utf8_lossy(bytes).into_owned();
    if bytes.len() >= FIELD {
        let text = format!("Field name '{name}' too long");
        return Err(Error::new(ErrorCode::INVALID_ARG, entry.domain, text));
    }
    let used = get(count).max(0) as usize;
    if used >= get(room).max(0) as usize {
        let more = (used + 1).max(used * 3 / 2);
        // SAFETY: the array is NULL or came from the allocator, as the contract says.
        let grown = unsafe { libc::realloc(get_array(params).cast(), more * size_of::<VirTypedParameter>()) };
        if grown.is_null() {
            return Err(Error::bare(ErrorCode::NO_MEMORY, entry.domain));
        }
        put(params, grown.cast());
        put(room, more as c_int);
    }
    let item = VirTypedParameter::new(&TypedParam { field: name, value })?;
    // SAFETY: there is room for one more.
    unsafe { get_array(params).add(used).write(item) };
    put(count, used as c_int + 1);
    Ok(())
}

fn get_array(params: *mut *mut VirTypedParameter) -> *mut VirTypedParameter {
    // SAFETY: not NULL by the contract.
    unsafe { *params }
}

macro_rules! adders {
    ($($name:ident($type:ty, $value:ident => $make:expr);)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(
                params: *mut *mut VirTypedParameter,
                nparams: *mut c_int,
                maxparams: *mut c_int,
                name: *const c_char,
                $value: $type,
            ) -> c_int {
                enter(stringify!($name), 0, -1, |entry| {
                    add(entry, (params, nparams, maxparams), name, $make).map(|()| 0)
                })
            }
        )+
    };
}
adders! {
    virTypedParamsAddInt(c_int, value => TypedValue::Int(value));
    virTypedParamsAddUInt(c_uint, value => TypedValue::UInt(value));
    virTypedParamsAddLLong(c_longlong, value => TypedValue::LLong(value));
    virTypedParamsAddULLong(c_ulonglong, value => TypedValue::ULLong(value));
    virTypedParamsAddDouble(c_double, value => TypedValue::Double(value));
    virTypedParamsAddBoolean(c_int, value => TypedValue::Boolean(value != 0));
}

/// `virTypedParamsAddString`; without a value nothing is added.
#[unsafe(no_mangle)]
pub extern "C" fn virTypedParamsAddString(
    params: *mut *mut VirTypedParameter,
    nparams: *mut c_int,
    maxparams: *mut c_int,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    enter("virTypedParamsAddString", 0, -1, |entry| {
        let value = TypedValue::String(memory::read(value));
        add(entry, (params, nparams, maxparams), name, value).map(|()| 0)
    })
}

/// `virTypedParamsAddStringList`
#[unsafe(no_mangle)]
pub extern "C" fn virTypedParamsAddStringList(
    params: *mut *mut VirTypedParameter,
    nparams: *mut c_int,
    maxparams: *mut c_int,
    name: *const c_char,
    values: *const *const c_char,
) -> c_int {
    enter("virTypedParamsAddStringList", 0, -1, |entry| {
        let mut at = values;
        // SAFETY: the list ends with a NULL.
        while !at.is_null() && !unsafe { *at }.is_null() {
            // SAFETY: as above.
            let value = TypedValue::String(memory::read(unsafe { *at }));
            add(entry, (params, nparams, maxparams), name, value)?;
            // SAFETY: the NULL was not reached.
            at = unsafe { at.add(1) };
        }
        Ok(0)
    })
}

/// `virTypedParamsAddFromString`
#[unsafe(no_mangle)]
pub extern "C" fn virTypedParamsAddFromString(
    params: *mut *mut VirTypedParameter,
    nparams: *mut c_int,
    maxparams: *mut c_int,
    name: *const c_char,
    kind: c_int,
    value: *const c_char,
) -> c_int {
    enter("virTypedParamsAddFromString", 0, -1, |entry| {
        let value = parse(entry, &memory::read(name), kind, &memory::read(value))?;
        add(entry, (params, nparams, maxparams), name, value).map(|()| 0)
    })
}

fn parse(entry: &Entry, field: &str, kind: c_int, text: &str) -> Result<TypedValue> {
    let refuse = |what: &str| {
        let text = format!("Invalid value for field '{field}': expected {what}");
        Error::new(ErrorCode::INVALID_ARG, entry.domain, text)
    };
    let number = text.trim_start();
    // Unsigned numbers may be written with a sign: they wrap, as in C.
    let wide = || number.parse::<i128>().ok();
    Ok(match kind {
        1 => TypedValue::Int(number.parse().map_err(|_| refuse("int"))?),
        2 => TypedValue::UInt(
            wide().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| refuse("unsigned int"))?,
        ),
        3 => TypedValue::LLong(number.parse().map_err(|_| refuse("long long"))?),
        4 => TypedValue::ULLong(
            wide().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| refuse("unsigned long long"))?,
        ),
        5 => TypedValue::Double(number.parse().map_err(|_| refuse("double"))?),
        6 => match text {
            "1" => TypedValue::Boolean(true),
            "0" => TypedValue::Boolean(false),
            _ => {
                let text = format!("Invalid boolean value for field '{field}'");
                return Err(Error::new(ErrorCode::INVALID_ARG, entry.domain, text));
            }
        },
        7 => TypedValue::String(text.to_owned()),
        other => {
            let text = format!("unexpected type {other} for field {field}");
            return Err(Error::new(ErrorCode::INVALID_ARG, entry.domain, text));
        }
    })
}
