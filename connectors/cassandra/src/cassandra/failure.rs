//! What the driver's errors mean to us, and above all whether trying again can help.

use cdrs_tokio::error::Error;
use cdrs_tokio::frame::message_error::ErrorType;

use crate::error::StoreError;

/// The error of a request to this address.
pub fn classify(address: &str, error: &Error) -> StoreError {
    let address = address.to_owned();
    let Error::Server { body, .. } = error else {
        // The driver's own errors are about connections; those about types cannot occur with raw bytes.
        let problem = error.to_string();
        return match problem.contains("No authenticator was provided") {
            true => StoreError::Login {
                address,
                problem: "it wants a user and a password, none are given".to_owned(),
            },
            false => StoreError::Unreachable { address, problem },
        };
    };
    let problem = body.message.clone();
    match body.ty {
        ErrorType::Authentication | ErrorType::Unauthorized => {
            StoreError::Login { address, problem }
        }
        ErrorType::Server
        | ErrorType::Unavailable(_)
        | ErrorType::Overloaded
        | ErrorType::IsBootstrapping
        | ErrorType::Truncate
        | ErrorType::WriteTimeout(_)
        | ErrorType::ReadTimeout(_)
        | ErrorType::ReadFailure(_)
        | ErrorType::WriteFailure(_) => StoreError::Overloaded { address, problem },
        ErrorType::Unprepared(_) => StoreError::Unreachable { address, problem },
        _ => StoreError::Refused { address, problem },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdrs_tokio::frame::message_error::ErrorBody;

    #[test]
    fn what_passes_is_transient_and_what_stays_is_not() {
        let server = |ty| Error::Server {
            body: ErrorBody {
                message: "m".into(),
                ty,
            },
            addr: ([127, 0, 0, 1], 9042).into(),
        };
        for (error, transient) in [
            (server(ErrorType::Overloaded), true),
            (server(ErrorType::IsBootstrapping), true),
            (server(ErrorType::Invalid), false),
            (server(ErrorType::Syntax), false),
            (server(ErrorType::Authentication), false),
            (Error::General("connection closed".into()), true),
            (Error::Timeout("t".into()), true),
        ] {
            assert_eq!(classify("a", &error).is_transient(), transient, "{error}");
        }
    }
}
