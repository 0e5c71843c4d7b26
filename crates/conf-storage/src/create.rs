//! Commands that make images, by `qemu-img`.
//!
//! ```text
//! nothing ─────────────── create ──▶ image
//! volume ──────────────── convert ─▶ image
//! volume ── create, then convert ──▶ image      when either is encrypted: the new one must be there to be opened
//! ```

use crate::encryption::{Encryption, EncryptionFormat};
use crate::fault::{detail, unsupported};
use crate::mount::Words;
use crate::volume::{Volume, VolumeType};
use base::{Error, ErrorCode, ErrorDomain, Result};

/// The program.
pub const PROGRAM: &str = "qemu-img";

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The new volume; its path is known.
    pub volume: &'r Volume,
    /// The volume whose content it gets.
    pub input: Option<&'r Volume>,
    /// Room for the tables of the format is taken at once.
    pub preallocate: bool,
    /// File with the passphrase of the new volume.
    pub secret: Option<&'r str>,
    /// File with the passphrase of the other one.
    pub input_secret: Option<&'r str>,
}

/// Value of an option: commas are doubled.
fn value(text: &str) -> String {
    text.replace(',', ",,")
}

fn path(volume: &Volume) -> &str {
    volume.path.as_deref().unwrap_or_default()
}

/// Name of the secret object of a volume.
fn object(volume: &Volume) -> String {
    format!("{}_encrypt0", value(&volume.name))
}

/// The format that content of a volume has for the program.
fn driver(volume: &Volume) -> &str {
    if volume.kind == VolumeType::Block {
        return "raw";
    }
    match volume.format {
        Some("iso" | "none") | None => "raw",
        Some("raw") if volume.encryption.is_some() => "luks",
        Some(format) => format,
    }
}

/// Refuses encryption that the program cannot make.
fn encryption(volume: &Volume) -> Result<Option<&Encryption>> {
    let Some(encryption) = &volume.encryption else { return Ok(None) };
    if encryption.secrets.len() != 1 {
        let text = "A single <secret type='passphrase'...> element is expected in encryption description";
        return Err(detail(ErrorCode::INVALID_ARG, ErrorDomain::STORAGE, text));
    }
    let luks = encryption.format == EncryptionFormat::Luks;
    match driver(volume) {
        "luks" if !luks => {
            Err(Error::internal(ErrorDomain::STORAGE, "Only luks encryption is supported for raw files"))
        }
        "qcow" | "qcow2" if !luks => Err(unsupported("creation of qcow2 encrypted image is not supported")),
        "luks" | "qcow2" => Ok(Some(encryption)),
        other => Err(unsupported(format!("volume encryption unsupported with format {other}"))),
    }
}

/// Options that say how content is encrypted.
fn cipher(encryption: &Encryption, prefix: &str, options: &mut Vec<String>) {
    let mut add = |name: &str, text: Option<&String>| {
        if let Some(text) = text {
            options.push(format!("{prefix}{name}={}", value(text)));
        }
    };
    if let Some(cipher) = &encryption.cipher {
        add("cipher-alg", Some(&format!("{}-{}", cipher.name, cipher.size)));
        add("cipher-mode", cipher.mode.as_ref());
        add("hash-alg", cipher.hash.as_ref());
    }
    if let Some(ivgen) = &encryption.ivgen {
        add("ivgen-alg", Some(&ivgen.name));
        add("ivgen-hash-alg", ivgen.hash.as_ref());
    }
}

/// Options of the format of a new volume.
fn options(request: &Request<'_>) -> Result<Vec<String>> {
    let volume = request.volume;
    let format = driver(volume);
    let mut options = Vec::new();
    if format == "raw" && volume.backing.is_some() {
        return Err(unsupported("cannot set backing store for raw volume"));
    }
    if let Some(backing) = volume.backing.as_ref().filter(|_| request.input.is_none()) {
        options.push(format!("backing_fmt={}", backing.format.unwrap_or("raw")));
    }
    if let Some(encryption) = encryption(volume)? {
        let prefix = if format == "luks" { "" } else { "encrypt." };
        if format != "luks" {
            options.push(format!("encrypt.format={}", EncryptionFormat::Luks));
        }
        options.push(format!("{prefix}key-secret={}", object(volume)));
        cipher(encryption, prefix, &mut options);
    }
    if request.preallocate {
        let whole = volume.allocation >= volume.capacity;
        options.push(format!("preallocation={}", if whole { "falloc" } else { "metadata" }));
    }
    if volume.nocow {
        options.push("nocow=on".to_owned());
    }
    if format == "qcow2" {
        options.push(format!("compat={}", value(volume.compat.as_deref().unwrap_or("1.1"))));
    }
    let features = volume.features.unwrap_or_default();
    if format != "qcow2" {
        if volume.compat.is_some() {
            return Err(unsupported("compatibility option only available with qcow2"));
        }
        if features.lazy_refcounts || features.extended_l2 {
            return Err(unsupported("format features only available with qcow2"));
        }
        return Ok(options);
    }
    let old = volume.compat.as_deref() == Some("0.10");
    if volume.cluster_size != 0 {
        options.push(format!("cluster_size={}", volume.cluster_size));
    }
    if features.lazy_refcounts {
        if old {
            return Err(unsupported("lazy_refcounts not supported with compat level 0.10"));
        }
        options.push("lazy_refcounts".to_owned());
    }
    if features.extended_l2 {
        if old {
            return Err(unsupported("'extended_l2' not supported with compat level 0.10"));
        }
        options.push("extended_l2=on".to_owned());
    }
    Ok(options)
}

fn secret(words: &mut Words, volume: &Volume, file: Option<&str>) {
    let Some(file) = file.filter(|_| volume.encryption.is_some()) else { return };
    words.push("--object".to_owned());
    words.push(format!("secret,id={},file={}", object(volume), value(file)));
}

/// An image by its options, as a place to read from or write to.
fn place(volume: &Volume) -> String {
    let format = driver(volume);
    let mut text = format!("driver={format},file.filename={}", value(path(volume)));
    if volume.encryption.is_some() {
        let prefix = if format == "luks" { "" } else { "encrypt." };
        text.push_str(&format!(",{prefix}key-secret={}", object(volume)));
    }
    text
}

fn create(request: &Request<'_>) -> Result<Words> {
    let volume = request.volume;
    let mut words: Words = [PROGRAM, "create", "-f", driver(volume)].map(str::to_owned).into();
    if let Some(backing) = volume.backing.as_ref().filter(|_| request.input.is_none()) {
        words.extend(["-b".to_owned(), backing.path.clone()]);
    }
    let options = options(request)?;
    secret(&mut words, volume, request.secret);
    if !options.is_empty() {
        words.extend(["-o".to_owned(), options.join(",")]);
    }
    words.push(path(volume).to_owned());
    if volume.capacity != 0 || volume.backing.is_none() || request.input.is_some() {
        words.push(format!("{}K", base::size::kib_rounded_up(volume.capacity)));
    }
    Ok(words)
}

/// The commands that make a volume, in their order.
///
/// # Errors
/// When the program could not make it.
pub fn commands(request: &Request<'_>) -> Result<Vec<Words>> {
    let volume = request.volume;
    if request.preallocate {
        if driver(volume) != "qcow2" {
            return Err(unsupported("metadata preallocation only available with qcow2"));
        }
        if volume.backing.is_some() && request.input.is_none() {
            return Err(unsupported("metadata preallocation conflicts with backing store"));
        }
    }
    let Some(input) = request.input else { return Ok(vec![create(request)?]) };
    let mut words: Words = [PROGRAM, "convert"].map(str::to_owned).into();
    if volume.encryption.is_none() && input.encryption.is_none() {
        words.extend(["-f", driver(input), "-O", driver(volume)].map(str::to_owned));
        let options = options(request)?;
        if !options.is_empty() {
            words.extend(["-o".to_owned(), options.join(",")]);
        }
        words.extend([path(input).to_owned(), path(volume).to_owned()]);
        return Ok(vec![words]);
    }
    words.extend(["--image-opts", "-n", "--target-image-opts"].map(str::to_owned));
    secret(&mut words, volume, request.secret);
    secret(&mut words, input, request.input_secret);
    words.extend([place(input), place(volume)]);
    Ok(vec![create(request)?, words])
}

/// The command that changes the capacity of an image, in bytes.
pub fn resize(volume: &Volume, capacity: u64, secret_file: Option<&str>, shrink: bool) -> Words {
    let mut words: Words = [PROGRAM, "resize"].map(str::to_owned).into();
    let encrypted = volume.encryption.is_some();
    secret(&mut words, volume, secret_file);
    if encrypted {
        words.push("--image-opts".to_owned());
    }
    if shrink {
        words.push("--shrink".to_owned());
    }
    words.push(if encrypted { place(volume) } else { path(volume).to_owned() });
    words.push(capacity.to_string());
    words
}
