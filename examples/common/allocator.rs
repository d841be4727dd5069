//! The allocator of the examples.

// A CPU backend allocates each result anew; glibc gives freed blocks of that size back to the
// system, whose page faults then cost more than small products do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
