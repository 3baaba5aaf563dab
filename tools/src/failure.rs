//! How a subcommand ended badly: the exit codes of the interface, carried inside an `anyhow` error.
use std::fmt;
use std::process::ExitCode;

/// The exit codes that `rialto` promises, beside 0 for "done".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1: a check failed, or something went wrong that has no code of its own.
    CheckFailed,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 3: the exchange refused, with the first check that failed.
    Refused,
    /// 4: nobody was reached, or a line stayed without its answer.
    Unreached,
    /// 5: a node stopped itself: its disk failed, or it found a bug.
    Stopped,
}

impl Code {
    /// The number that the process exits with.
    pub fn number(self) -> u8 {
        match self {
            Code::CheckFailed => 1,
            Code::Usage => 2,
            Code::Refused => 3,
            Code::Unreached => 4,
            Code::Stopped => 5,
        }
    }
}

/// A failure that knows its exit code; its text is printed on stderr as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the process exits with.
    pub code: Code,
    /// What happened, for a person.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Failure {}

/// An error that ends the process with `code`.
pub fn failure(code: Code, why: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { code, why: why.into() })
}

/// The code that `error` carries; [`Code::CheckFailed`] where it carries none.
pub fn code_of(error: &anyhow::Error) -> Code {
    error.downcast_ref::<Failure>().map_or(Code::CheckFailed, |failure| failure.code)
}

/// What the process exits with after `error`.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(code_of(error).number())
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_failure_keeps_its_exit_code_under_added_context() {
        let error = Err::<(), _>(failure(Code::Unreached, "no node answered")).context("replay").unwrap_err();
        assert_eq!(code_of(&error), Code::Unreached);
        assert_eq!(code_of(&error).number(), 4);
    }

    #[test]
    fn an_error_without_a_code_is_a_failed_check() {
        assert_eq!(code_of(&anyhow::anyhow!("disk gone")), Code::CheckFailed);
    }
}
