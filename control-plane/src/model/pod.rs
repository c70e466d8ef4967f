//! Whether a pod reports, and what it does with the requests for an endpoint.

/// One pod behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The pod's name.
    pub pod: String,
    /// What it does with requests for this endpoint.
    pub state: ServingState,
}

/// What a pod does with requests for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServingState {
    /// Passes them to the service.
    Serving,
    /// Answers them by a rule.
    Off,
    /// Was sent a change, and has not confirmed it.
    Waiting,
    /// Is silent or gone.
    Lost,
}

/// Whether a pod reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    /// Its last message arrived within the last five seconds.
    Reporting,
    /// Its last message is older, and it has not sent a Bye.
    Silent,
    /// It has sent a Bye, or was silent for a minute.
    Gone,
}
