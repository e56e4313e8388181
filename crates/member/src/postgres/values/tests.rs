//! Values at their edges, in both directions.
