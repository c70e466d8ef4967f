//! What the control client connects to, and the parts of the sidecar that its streams use.

use std::sync::Arc;

use mesh::routes::route_patterns::Pins;
use proto::convert::greeting::Greeting;
use tokio::sync::oneshot;

use crate::control_client::dial::{ControlPlaneTarget, Transport};
use crate::control_client::metrics::ControlClientMetrics;
use crate::control_client::rule_instances::RuleInstances;
use crate::ledger::collector::LedgerHandle;
use crate::recorder::exchange_bus::ExchangeBus;
use crate::worker::Workers;

/// The control client of the sidecar.
pub struct ControlClient {
    /// The control plane to connect to.
    pub control_plane: ControlPlaneTarget,
    /// How connections to it are made.
    pub transport: Transport,
    /// Identifies this process; its session number is that of the last opened stream.
    pub greeting: Greeting,
    /// The patterns pinned by setting.
    pub routes: Pins,
    /// The source of reports.
    pub ledger_handle: LedgerHandle,
    /// The decorators of the rules.
    pub instances: RuleInstances,
    /// The workers that apply the rules.
    pub workers: Arc<Workers>,
    /// Where taps subscribe to exchanges.
    pub exchange_bus: Arc<ExchangeBus>,
    /// Counters of the control client.
    pub metrics: Arc<ControlClientMetrics>,
    /// Fires once the first set of rules was applied or refused.
    pub first_rules: Option<oneshot::Sender<()>>,
}
