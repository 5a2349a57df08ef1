//! What the demo's telemetry comes from: recorded sites where a folder of them is given, else simulated ones; and the
//! incident that is put in.

use std::sync::Arc;

use fulmar_wifi::generator::Generator;
use fulmar_wifi::replay::Replay;
use fulmar_wifi::world::{Incident, Records, World};

use super::report::IncidentReport;
use super::run::{Plan, SPEED, now_ms};
use crate::failure::Failure;

/// The world and the incident in it.
pub struct Scene {
    /// Who reports.
    pub world: Arc<dyn World>,
    /// Event time of the first record.
    pub start_ms: i64,
    /// Organisation of the incident.
    pub org: String,
    /// The incident.
    pub incident: IncidentReport,
}

impl Scene {
    /// Event time ends now, so that nothing lies in the future.
    ///
    /// # Errors
    /// The folder of recorded telemetry cannot be read.
    pub fn of(plan: &Plan) -> Result<Self, Failure> {
        let span = plan.run_for.as_millis() as i64 * SPEED;
        let start_ms = now_ms() - span;
        // A client reports once a minute of event time, so that many clients make the rate.
        let clients = (plan.rate * 60 / SPEED as u64).clamp(1, u64::from(u32::MAX)) as u32;
        // From 30 % to 65 % of the time: in an hour, two whole windows wherever they begin.
        let (from_ms, to_ms) = (start_ms + span * 30 / 100, start_ms + span * 65 / 100);
        let at = |world: &dyn World| Incident {
            ap: world.calm_ap(plan.seed),
            from_ms,
            to_ms,
        };
        let (world, ap): (Arc<dyn World>, u32) = match &plan.data {
            Some(folder) => {
                let world = Replay::read(folder, plan.seed, clients)
                    .map_err(|e| Failure::Failed(format!("--data: {e}")))?;
                let incident = at(&world);
                let ap = incident.ap;
                (Arc::new(world.with(incident)), ap)
            }
            None => {
                let incident = at(&Generator::new(plan.seed, clients, None));
                let ap = incident.ap;
                let world = Generator::new(plan.seed, clients, Some(incident));
                (Arc::new(world), ap)
            }
        };
        let (org, _, name) = world.names(ap);
        Ok(Self {
            incident: IncidentReport {
                injected: format!("{org}/{name}"),
                from_ms,
                to_ms,
                ..IncidentReport::default()
            },
            world,
            start_ms,
            org,
        })
    }

    /// The records, in order.
    pub fn records(&self) -> Records {
        Records::new(self.world.clone(), self.start_ms)
    }
}
