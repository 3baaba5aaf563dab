//! The rings in of one generation: made together, one side for the matcher and one for who fills it.

use std::sync::{Arc, OnceLock};

use rialto_engine::ports::{Port, Readers};
use rialto_protocol::GatewayId;
use rialto_shmring::{Consumer, Geometry, Identity, Producer, Region};

use super::start::Opened;

/// Slots of a gateway's ring in: 8,192 records of usual size.
const RING_SLOTS: u32 = 8192;
/// Slots of the operator's ring.
const OPERATOR_SLOTS: u32 = 1024;

/// How a sleeping reader is woken, known once its thread is.
pub(super) type Wake = Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>;

/// The rings in, seen from both sides, and who is woken when something is released.
pub(super) struct Rings {
    pub(super) ports: Vec<Port>,
    pub(super) producers: Vec<Producer>,
    pub(super) regions: Vec<Arc<Region>>,
    pub(super) wakes: Vec<Wake>,
    pub(super) readers: Readers,
}

impl Rings {
    /// Ring 0 for the operator, then one a gateway.
    pub(super) fn create(opened: &Opened, gateways: u32) -> anyhow::Result<Self> {
        let mut rings = Self {
            ports: Vec::new(),
            producers: Vec::new(),
            regions: Vec::new(),
            wakes: Vec::new(),
            readers: Readers::default(),
        };
        for gateway in 0..=gateways {
            let path = opened.place.shm.join(format!("gateway-{gateway}.ring"));
            let schema = u64::from(rialto_protocol::VERSION);
            let generation = opened.place.identity.generation;
            let slots = if gateway == 0 { OPERATOR_SLOTS } else { RING_SLOTS };
            let identity = Identity { schema, generation, gateway };
            let region = Arc::new(Region::create(&path, &identity, Geometry::new(slots)?)?);
            rings.ports.push(Port { gateway: GatewayId(gateway), ring: Consumer::new(Arc::clone(&region))? });
            rings.producers.push(Producer::new(Arc::clone(&region))?);
            rings.wakes.push(Wake::default());
            rings.regions.push(region);
        }
        // Traders wait for their gateways: the view is woken behind them.
        for (region, wake) in rings.regions.iter().zip(&rings.wakes).rev() {
            let wake = Arc::clone(wake);
            rings.readers.add(Arc::clone(region), move || {
                if let Some(wake) = wake.get() {
                    wake();
                }
            });
        }
        Ok(rings)
    }
}
