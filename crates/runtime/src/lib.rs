//! Supervision, backoff, clock, tracing set-up, metrics registry, health server. No domain words.
