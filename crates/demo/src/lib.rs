//! The quickstart story and the load generator behind bench.
