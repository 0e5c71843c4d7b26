//! Proving a name and a password by SASL.
//!
//! ```text
//! init ─▶ mechanisms ─▶ start(mechanism, first word) ─▶ step(answer)* ─▶ the daemon is content, and so are we
//! ```
//!
//! SCRAM-SHA-256, SCRAM-SHA-1 and PLAIN are spoken. None of them encrypts what follows: over TCP without TLS a daemon
//! refuses them, and PLAIN is never offered to a connection on which somebody could listen.

use crate::connection::{Remote, Void};
use api::credential::{Answerer, Kind, Question};
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::generated::remote_connection::{
    AuthSaslInitRet, AuthSaslStartArgs, AuthSaslStartRet, AuthSaslStepArgs, AuthSaslStepRet,
};
use proto::generated::table;
use rsasl::prelude::{Mechname, SASLClient, SASLConfig, Session};

/// What the daemon may say in one step.
const WORD_MAX: usize = 65_536;
/// No mechanism needs as many steps.
const STEPS_MAX: usize = 16;

fn refused(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::AUTH_FAILED, ErrorDomain::RPC, text)
}

fn ask(answerer: Option<&dyn Answerer>, kind: Kind, prompt: &str) -> Result<String> {
    let answerer = answerer
        .filter(|answerer| answerer.knows(kind))
        .ok_or_else(|| refused("No authentication callback available"))?;
    let question = Question { kind, prompt: prompt.to_owned(), challenge: None, default: None };
    answerer.answer(&question)
}

fn bytes(word: &[i8]) -> Vec<u8> {
    word.iter().map(|byte| byte.cast_unsigned()).collect()
}

fn word(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}

/// Our side of the conversation.
struct Prover {
    session: Session,
    done: bool,
}

impl Prover {
    /// The next word; `None` when there is nothing to say.
    fn step(&mut self, heard: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        if self.done {
            return Ok(None);
        }
        let mut said = Vec::new();
        let state = self
            .session
            .step(heard, &mut said)
            .map_err(|error| refused(format!("Failed to step SASL negotiation: {error}")))?;
        self.done = state.is_finished();
        if said.len() > WORD_MAX {
            return Err(refused(format!("SASL negotiation data too long: {} bytes", said.len())));
        }
        Ok(state.has_sent_message().then_some(said))
    }
}

impl Remote {
    /// Proves a name and a password; `wanted` is one mechanism that the user insists on.
    pub(crate) fn prove(&self, wanted: Option<&str>, answerer: Option<&dyn Answerer>) -> Result<()> {
        let offered: AuthSaslInitRet = self.call(&table::REMOTE, 67, &Void)?;
        let names: Vec<&str> = offered.mechlist.split([',', ' ']).filter(|name| !name.is_empty()).collect();
        let usable = |name: &&&str| self.secure || !name.eq_ignore_ascii_case("PLAIN");
        let names: Vec<&str> = match wanted {
            Some(wanted) if !names.contains(&wanted) => {
                let text = format!("SASL mechanism {wanted} not supported by server");
                return Err(refused(text).in_domain(ErrorDomain::REMOTE));
            }
            Some(wanted) => vec![wanted],
            None => names.iter().filter(usable).copied().collect(),
        };
        let mechanisms: Vec<&Mechname> =
            names.iter().filter_map(|name| Mechname::parse(name.as_bytes()).ok()).collect();
        let name = ask(answerer, Kind::AuthName, "Please enter your authentication name")?;
        let password = ask(answerer, Kind::PassPhrase, "Please enter your password")?;
        let session = SASLConfig::with_credentials(None, name, password)
            .and_then(|config| SASLClient::new(config).start_suggested(&mechanisms));
        let session = session.map_err(|error| {
            let offered = &offered.mechlist;
            refused(format!("Failed to start SASL negotiation: {error} (the server offers {offered})"))
        })?;
        let mechanism = session.get_mechname().as_str().to_owned();
        let first = session.are_we_first();
        let mut prover = Prover { session, done: false };
        let said = if first { prover.step(None)? } else { None };
        let args = AuthSaslStartArgs {
            mech: mechanism,
            nil: i32::from(said.is_none()),
            data: word(&said.unwrap_or_default()),
        };
        let AuthSaslStartRet { mut complete, mut nil, mut data } = self.call(&table::REMOTE, 68, &args)?;
        for _ in 0..STEPS_MAX {
            let heard = bytes(&data);
            let said = prover.step((nil == 0).then_some(&heard[..]))?;
            if complete != 0 {
                // A daemon that is content proves itself by its last word, if the mechanism knows such.
                return if prover.done { Ok(()) } else { Err(refused("the server has not proved itself")) };
            }
            let args =
                AuthSaslStepArgs { nil: i32::from(said.is_none()), data: word(&said.unwrap_or_default()) };
            AuthSaslStepRet { complete, nil, data } = self.call(&table::REMOTE, 69, &args)?;
        }
        Err(refused("SASL negotiation does not come to an end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::AUTH_SASL;
    use proto::generated::remote_connection::AuthListRet;
    use proto::message::{Header, Status, Type};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use xdr::Xdr;

    /// Knows one name and one password.
    struct Knows(&'static str);

    impl Answerer for Knows {
        fn knows(&self, kind: Kind) -> bool {
            matches!(kind, Kind::AuthName | Kind::PassPhrase)
        }

        fn answer(&self, question: &Question) -> Result<String> {
            Ok(if question.kind == Kind::AuthName { "fred" } else { self.0 }.to_owned())
        }
    }

    /// A daemon that offers mechanisms and knows PLAIN; it lets `fred` with `secret` in.
    fn daemon(mechanisms: &'static str, secure: bool) -> Remote {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || -> std::io::Result<()> {
            loop {
                let mut length = [0; 4];
                theirs.read_exact(&mut length)?;
                let mut message = length.to_vec();
                message.resize(u32::from_be_bytes(length) as usize, 0);
                theirs.read_exact(&mut message[4..])?;
                let call = Header::read(&message).unwrap();
                let args = &message[28..];
                let mut out = Vec::new();
                let mut status = Status::Ok;
                match call.procedure {
                    66 => AuthListRet { types: vec![AUTH_SASL] }.encode(&mut out),
                    67 => mechanisms.to_owned().encode(&mut out),
                    68 => {
                        let args: AuthSaslStartArgs = xdr::from_bytes(args).unwrap();
                        if bytes(&args.data) == b"\0fred\0secret" {
                            AuthSaslStartRet { complete: 1, nil: 1, data: Vec::new() }.encode(&mut out);
                        } else {
                            let error = refused("authentication failed");
                            proto::fault::Fault(error).encode(&mut out);
                            status = Status::Error;
                        }
                    }
                    other => panic!("unexpected call {other}"),
                }
                let header = Header { kind: Type::Reply as u32, status: status as u32, ..call };
                theirs.write_all(&header.message(&out))?;
            }
        });
        Remote::over(ours.into(), secure)
    }

    #[test]
    fn conversations() {
        let knows = |password| Some(Knows(password));
        for (mechanisms, wanted, secure, answers, refusal) in [
            ("PLAIN", None, true, knows("secret"), ""),
            ("GSSAPI,PLAIN", Some("sasl"), true, knows("secret"), ""),
            ("PLAIN", Some("sasl.PLAIN"), false, knows("secret"), ""),
            ("PLAIN", None, true, knows("wrong"), "authentication failed: authentication failed"),
            ("PLAIN", None, true, None, "No authentication callback available"),
            ("PLAIN", Some("sasl.FOO"), true, knows("secret"), "SASL mechanism FOO not supported by server"),
            ("PLAIN", None, false, knows("secret"), "Failed to start SASL negotiation"),
            ("GSSAPI", None, true, knows("secret"), "Failed to start SASL negotiation"),
            ("PLAIN", Some("polkit"), true, None, "requested authentication type polkit rejected"),
        ] {
            let remote = daemon(mechanisms, secure);
            let answers = answers.as_ref().map(|answers| answers as &dyn Answerer);
            match remote.authenticate(wanted, answers) {
                Ok(()) => assert_eq!(refusal, "", "{mechanisms} {wanted:?}"),
                Err(error) => {
                    let text = error.message();
                    assert!(!refusal.is_empty() && text.contains(refusal), "{mechanisms} {wanted:?}: {text}");
                }
            }
        }
    }
}
