//! Tests that drive the parts against reality: real HTTP, a real store on disk, the real binary.
#![cfg(test)]

mod llm_wire;
mod plane_client;
mod plane_wire;
mod sandbox;
mod store_contract;
mod store_on_disk;
