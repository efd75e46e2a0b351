//! What images with Python are assembled with, as this machine is set.

use wharf_model::recognise::Model;
use wharf_oci::registry::Access;
use wharf_ops::{build::foundation::Supplies, error::Result, images::Transfer, python::Network};

use super::Session;

impl Session<'_> {
    /// Returns what the image of a model is assembled with, if it runs Python.
    pub(crate) fn supplies(&self, model: &Model, access: Access) -> Result<Option<Supplies>> {
        if model.card.runtime.is_native() {
            return Ok(None);
        }
        let (reporter, cancel) = (self.reporter(), self.cancel.clone());
        let packages = self.config.packages(Network::Allowed, reporter.clone(), cancel.clone())?;
        Ok(Some(Supplies {
            transfer: Transfer { access, reporter, cancel },
            // Why there is none is told by who needs it.
            engine: self.engine_store().ok(),
            packages,
            place: self.config.lock_place(model),
            python_of_machine: self.config.python_minor(),
        }))
    }
}
