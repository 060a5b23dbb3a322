//! Tests that drive the parts against reality: real HTTP, a real store on disk, the real binary.
#![cfg(test)]

mod support;

mod conformance;
mod llm_contract;
mod llm_wire;
mod plane_client;
mod plane_wire;
mod sandbox;
mod store_contract;
mod store_on_disk;

mod approval;
mod back_and_forth;
mod bounds;
mod browser;
mod budget;
mod channel;
mod chat;
mod check;
mod context;
mod conversation;
mod crash;
mod deeds;
mod demo;
mod faults;
mod full_disk;
mod injection;
mod keys;
mod kills;
mod listing;
mod mention;
mod missed;
mod oauth;
mod overtaken;
mod own_words;
mod pictures;
mod plane_trouble;
mod provider;
mod provider_network;
mod providers;
mod reading;
mod restart;
mod similar;
mod stop;
mod texts;
mod undo;
mod webhooks;
mod writes;
