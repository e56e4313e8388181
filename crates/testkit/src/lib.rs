//! Generators, fault plans and the convergence oracle, for tests only.
