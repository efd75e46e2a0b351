//! wharf-ops
