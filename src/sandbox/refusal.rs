//! Why a request is not answered with data.

use http::StatusCode;

/// A refusal: turned into the API's own error shape by `answer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What is wrong: at least one.
    pub(super) faults: Vec<Fault>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field or parameter that causes it.
    pub(super) field: Option<String>,
    pub(super) reason: String,
}

impl Fault {
    /// `reason` follows the field's name: `label is required`.
    pub(super) fn of(field: &str, reason: &str) -> Self {
        Self { field: Some(field.to_owned()), reason: format!("{field} {reason}") }
    }
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, faults: vec![Fault { field: None, reason: reason.into() }] }
    }

    /// Of a request that says the wrong things.
    pub(super) fn invalid(status: StatusCode, faults: Vec<Fault>) -> Self {
        Self { status, faults }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found")
    }

    /// All that is wrong, for APIs that have one text for it.
    pub(super) fn message(&self) -> String {
        self.faults.iter().map(|fault| fault.reason.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// A word for the status, where the API's errors have a code.
    pub(super) fn code(&self) -> &'static str {
        match self.status {
            StatusCode::BAD_REQUEST => "bad_request",
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::CONFLICT => "conflict",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
            StatusCode::UNPROCESSABLE_ENTITY => "unprocessable_entity",
            StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
            _ => "server_error",
        }
    }
}
