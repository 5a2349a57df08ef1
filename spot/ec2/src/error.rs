//! What can go wrong between here and AWS, and what a refusal means for the fleet.

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use fulmar_spot_plan::fleet::Refused;

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// EC2001: the service said no.
    #[error("{what}: {code}: {message}")]
    Refused {
        /// The call.
        what: &'static str,
        /// AWS' code, or the HTTP status where there is none.
        code: String,
        /// AWS' words.
        message: String,
    },
    /// EC2002: no answer, or none that can be read; what was asked may have been done all the same.
    #[error("{what}: no answer: {why}; what was asked may have been done")]
    Silent {
        /// The call.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
    /// EC2003: this endpoint does not offer the call.
    #[error("{0} is not offered by this endpoint")]
    NotOffered(&'static str),
    /// EC2004: an answer that cannot be: it would have to be guessed at.
    #[error("{what}: the answer makes no sense: {why}")]
    Nonsense {
        /// The call.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// EC2005: the settings do not fit what is there.
    #[error("{0}")]
    Settings(String),
}

/// What this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Codes that mean: there is none of this now.
const CAPACITY: [&str; 6] = [
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientCapacity",
    "UnfulfillableCapacity",
    "SpotMaxPriceTooLow",
    // The type is not offered in the zone.
    "Unsupported",
];

/// Codes that mean: ask more rarely.
const THROTTLED: [&str; 7] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "EC2ThrottledException",
    "RequestThrottled",
    "SlowDown",
];

/// What a code means for an order; `pool` is the one that it was said of, if it was said of one.
pub fn meaning(code: &str, message: &str, pool: Option<usize>) -> Refused {
    match pool {
        Some(pool) if CAPACITY.contains(&code) => Refused::Capacity(pool),
        _ if THROTTLED.contains(&code) => Refused::Throttled,
        _ => Refused::Other(format!("{code}: {message}")),
    }
}

impl Error {
    /// What the SDK says about a call.
    pub fn of<E>(what: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let SdkError::ServiceError(service) = &error else {
            let why = DisplayErrorContext(&error).to_string();
            return Self::Silent { what, why };
        };
        let status = service.raw().status().as_u16();
        let (code, message) = (error.code(), error.message().unwrap_or_default());
        match code {
            Some(code) => Self::Refused {
                what,
                code: code.to_owned(),
                message: message.to_owned(),
            },
            None => Self::Refused {
                what,
                code: format!("HTTP {status}"),
                message: "an answer that is none of EC2's".to_owned(),
            },
        }
    }

    /// The same, of a call that not every endpoint has: an answer without a code of AWS, or one that says so.
    pub fn of_optional<E>(what: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match Self::of(what, error) {
            Self::Refused { code, .. }
                if code.starts_with("HTTP 5") || code.starts_with("HTTP 4") =>
            {
                Self::NotOffered(what)
            }
            Self::Refused { code, .. }
                if [
                    "InvalidAction",
                    "UnsupportedOperation",
                    "UnauthorizedOperation",
                ]
                .contains(&code.as_str()) =>
            {
                Self::NotOffered(what)
            }
            other => other,
        }
    }

    /// What it means for an order; nothing where the order may have been carried out.
    pub fn refused(&self) -> Option<Refused> {
        match self {
            Self::Silent { .. } => None,
            Self::Refused { code, message, .. } => Some(meaning(code, message, None)),
            other => Some(Refused::Other(other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_codes_mean() {
        assert_eq!(
            meaning("InsufficientInstanceCapacity", "", Some(3)),
            Refused::Capacity(3)
        );
        assert_eq!(
            meaning("RequestLimitExceeded", "", None),
            Refused::Throttled
        );
        // Said of no pool, no pool can be left alone for it.
        assert!(matches!(
            meaning("InsufficientInstanceCapacity", "x", None),
            Refused::Other(_)
        ));
        let quota = meaning("MaxSpotInstanceCountExceeded", "20 of 20", Some(1));
        assert_eq!(
            quota,
            Refused::Other("MaxSpotInstanceCountExceeded: 20 of 20".to_owned())
        );
        let silent = Error::Silent {
            what: "CreateFleet",
            why: "timeout".to_owned(),
        };
        assert_eq!(silent.refused(), None, "its instances may come yet");
    }
}
