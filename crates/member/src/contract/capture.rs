//! What every adapter has to capture.
