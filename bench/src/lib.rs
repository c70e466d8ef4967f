//! The side-by-side benchmark: sends the same load through each proxy in turn, and reads its cost from the kernel.

pub mod amplification;
pub mod contenders;
pub mod control_plane;
pub mod figures;
pub mod goals;
pub mod h2load;
pub mod load;
pub mod nghttpd;
pub mod origin;
pub mod pages;
pub mod process;
pub mod programs;
pub mod report;
pub mod rounds;
pub mod swarm;
pub mod system_calls;
pub mod traffic;
