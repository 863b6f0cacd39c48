"""Components and figures of the portal. They know Streamlit and charts; they know neither database nor rules."""
