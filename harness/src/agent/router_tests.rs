use super::*;

#[test]
fn hardware_addresses_are_six_octets_and_no_group() {
    let mac: MacAddress = "02:00:5e:00:53:0A".parse().unwrap();
    assert_eq!(mac.to_string(), "02:00:5e:00:53:0a");
    for wrong in ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "02:00:00:00:00:0g", "03:00:00:00:00:01"]
    {
        assert!(wrong.parse::<MacAddress>().is_err(), "{wrong}");
    }
}

#[test]
fn kernels_are_chosen_by_name() {
    assert_eq!("auto".parse(), Ok(KernelChoice::Auto));
    assert_eq!("lab".parse(), Ok(KernelChoice::Lab));
    assert_eq!("host".parse(), Ok(KernelChoice::Host));
    assert_eq!("guest".parse(), Ok(KernelChoice::Guest));
    assert!("mine".parse::<KernelChoice>().unwrap_err().contains("auto, host, lab, guest"));
}
