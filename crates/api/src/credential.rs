//! Questions that prove who the user is: asked of the program, answered by a person or a file.

use base::Result;

/// Kinds of questions; the numbers are `virConnectCredentialType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Kind {
    /// Name to act as.
    UserName = 1,
    /// Name to prove.
    AuthName = 2,
    /// Password.
    PassPhrase = 5,
    /// Anything, shown while it is typed.
    EchoPrompt = 6,
    /// Anything, not shown.
    NoEchoPrompt = 7,
    /// Where the name is known.
    Realm = 8,
}

/// One question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// What is asked for.
    pub kind: Kind,
    /// Text for the person.
    pub prompt: String,
    /// What the other side said.
    pub challenge: Option<String>,
    /// The answer when nothing is entered.
    pub default: Option<String>,
}

/// Whoever answers questions.
pub trait Answerer: Send + Sync {
    /// Whether it answers this kind.
    fn knows(&self, kind: Kind) -> bool;

    /// The answer.
    ///
    /// # Errors
    /// When it is refused.
    fn answer(&self, question: &Question) -> Result<String>;
}
