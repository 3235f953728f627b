use proc_macro::TokenStream;

#[proc_macro]
pub fn gain(_: TokenStream) -> TokenStream {
    "3.0".parse().unwrap()
}
