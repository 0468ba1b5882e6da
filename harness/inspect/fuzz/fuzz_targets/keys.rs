#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| dmvpn_inspect_fuzz::keys(octets));
