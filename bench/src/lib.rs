//! The side-by-side benchmark: the same load through each proxy in turn, and the kernel's word on what it cost.

pub mod amplification;
pub mod contenders;
pub mod control_plane;
pub mod figures;
pub mod goals;
pub mod load;
pub mod origin;
pub mod pages;
pub mod process;
pub mod report;
pub mod rounds;
pub mod swarm;
pub mod system_calls;
