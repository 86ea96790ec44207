/** Style sheets are imported for the builder, which collects them. */
declare module "*.css";
