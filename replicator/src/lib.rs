//! How a second machine comes to hold it: shipping, standby, fencing, promotion. Its content comes with the standby.
